"""A network and its spec -> one ONNX model under the graph contract, in float32 or float16.

A float32 model that PyTorch did not make -> the same with its inside in float16.
"""

import copy
import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import onnx
import torch
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.transformers.float16 import convert_float_to_float16
from torch import nn

from segdata.spec import CALIBRATION_KEY, PRECISION_KEY, SPEC_KEY, WEIGHTS_KEY, ModelSpec, Precision
from segexport.graph.contract import check_contract
from segexport.graph.deployable import DeployableGraph
from segrun.runners.contract import FRAMES, LABELS

OPSET = 20
"""The newest operator set that TensorRT 10.12 and later, OpenVINO and ONNX Runtime all read."""

_BEFORE = {"Cast", "Transpose", "Gather", "Sub", "Div", "Mul", "Add"}
"""The operators of normalisation: up to the first other one, a pixel is a number of about 0 to 255."""


def to_onnx(
    network: nn.Module, spec: ModelSpec, precision: Precision, batch: int = 1, weights: str = ""
) -> onnx.ModelProto:
    """Export `network` in "fp32" or "fp16"; frames are uint8 [batch, H, W, 3].

    `weights` is the SHA-256 of the network's checkpoint, which the model carries, or "" if there is none.

    Values are renamed by operator and position (`conv_3`), so that calibration ranges, keyed by value name, do not
    depend on the version of PyTorch that exported. Raises ContractError if the result breaks the graph contract.
    """
    graph = DeployableGraph(network, spec, half=precision == "fp16")
    example = torch.zeros(batch, spec.height, spec.width, 3, dtype=torch.uint8)
    with _quiet_exporter():
        program = torch.onnx.export(
            graph, (example,), dynamo=True, opset_version=OPSET, verbose=False,
            input_names=[FRAMES], output_names=[LABELS],
        )  # fmt: skip
    assert program is not None  # without a file name, the dynamo exporter always returns the program
    model: onnx.ModelProto = program.model_proto
    rename_values(model.graph)
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces with the paths of this machine
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    set_metadata(model, spec, precision, weights)
    check_contract(model)
    return model


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` in float16, but for the normalisation before the network and the class ids after it.

    Raises ContractError if the model is not under the graph contract.
    """
    contract = check_contract(model)
    kept = [*_before(model.graph), *(node.name for node in model.graph.node[-2:])]
    found: onnx.ModelProto = convert_float_to_float16(
        copy.deepcopy(model), keep_io_types=True, node_block_list=kept, disable_shape_infer=False
    )
    sorted_model = ONNXModel(found)
    sorted_model.topological_sort()  # the converter appends its casts after those that read them
    found = sorted_model.model
    del found.graph.value_info[:]
    rename_values(found.graph)
    found = onnx.shape_inference.infer_shapes(found)
    set_metadata(found, contract.spec, "fp16", contract.weights)
    check_contract(found)
    return found


def _before(graph: onnx.GraphProto) -> list[str]:
    """Return the names of the nodes before the network: those that depend only on the frames."""
    made = {FRAMES}
    names = []
    weights = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        reads = [value for value in node.input if value and value not in weights]
        if node.op_type not in _BEFORE or not made.issuperset(reads) or not reads:
            break
        made = set(node.output)
        names.append(node.name)
    return names


def set_metadata(
    model: onnx.ModelProto,
    spec: ModelSpec,
    precision: Precision,
    weights: str = "",
    calibration_frames: Sequence[str] = (),
) -> None:
    """Replace the model's metadata by its spec, precision, weights and, for INT8, the frames that calibrated it."""
    properties = {SPEC_KEY: spec.to_json(), PRECISION_KEY: precision}
    if weights:
        properties[WEIGHTS_KEY] = weights
    if calibration_frames:
        properties[CALIBRATION_KEY] = ",".join(calibration_frames)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, properties)


def rename_values(graph: onnx.GraphProto) -> None:
    """Name values and nodes by operator and position, in place: `conv_3`."""
    renamed = {value.name: value.name for value in [*graph.input, *graph.output, *graph.initializer]}
    renamed[""] = ""  # how ONNX leaves out an optional input
    counts: Counter[str] = Counter()
    for node in graph.node:
        for name in node.output:
            renamed.setdefault(name, f"{node.op_type.lower()}_{counts[node.op_type]}")
        node.name = f"{node.op_type.lower()}_{counts[node.op_type]}"
        counts[node.op_type] += 1
        node.input[:] = [renamed[name] for name in node.input]
        node.output[:] = [renamed[name] for name in node.output]


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence the exporter: its notes about torchvision, which edgeseg does not use, and names PyTorch deprecates."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
