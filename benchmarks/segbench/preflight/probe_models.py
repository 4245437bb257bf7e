"""One model in all three precisions, without PyTorch: to be built and timed, never to be looked at.

The int8 model has ranges that nobody measured: its kernels take as long as those of seg-export's, its labels are wrong.
"""

import copy
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from segdata.spec import PRECISION_KEY, Precision
from segexport.graph.onnx_file import read_onnx

_ACTIVATION_SCALE = 8 / 127
_WEIGHTED = ("Conv", "ConvTranspose")


def write_probe_models(path: Path, folder: Path) -> dict[Precision, Path]:
    """Write the model at `path` to `folder` in each precision that can be had of it, and return the files.

    A float model gives all three, an int8 model itself alone: its scales fit no other. Raises InputError and
    ContractError as `read_onnx` does.
    """
    file = read_onnx(path)
    model, own = file.model, file.contract.precision
    models: dict[Precision, onnx.ModelProto] = {own: model}
    if own != "int8":
        full = models["fp32"] = model if own == "fp32" else _widened(model)
        models["fp16"] = model if own == "fp16" else _narrowed(model)
        models["int8"] = _quantised(full)
    order: tuple[Precision, ...] = ("fp32", "fp16", "int8")
    return {precision: _written(models[precision], precision, folder) for precision in order if precision in models}


def _written(model: onnx.ModelProto, precision: Precision, folder: Path) -> Path:
    path = folder / f"probe.{precision}.onnx"
    for entry in model.metadata_props:
        if entry.key == PRECISION_KEY:
            entry.value = precision
    onnx.save(model, path)
    return path


def _widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """A float16 model in float32: every weight, and every cast to float16."""
    wide = _without_types(model)
    for tensor in wide.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    for node in wide.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
    return wide


def _narrowed(model: onnx.ModelProto) -> onnx.ModelProto:
    """A float32 model in float16 from its first convolution on, as seg-export makes it."""
    narrow = _without_types(model)
    convolutions = [node for node in narrow.graph.node if node.op_type in _WEIGHTED]
    weights = {name for node in convolutions for name in node.input[1:]}
    for tensor in narrow.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    first = convolutions[0]
    cast = helper.make_node("Cast", [first.input[0]], ["probe_half"], "probe_half", to=TensorProto.FLOAT16)
    narrow.graph.node.insert(list(narrow.graph.node).index(first), cast)
    first.input[0] = "probe_half"
    return narrow


def _quantised(model: onnx.ModelProto) -> onnx.ModelProto:
    """A float32 model with Q/DQ where seg-export has them: on the inputs and weights of every Conv but the last."""
    quantised = _without_types(model)
    graph = quantised.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(_ACTIVATION_SCALE, np.float32), "probe_scale"),
            numpy_helper.from_array(np.array(0, np.int8), "probe_zero"),
        ]
    )
    nodes: list[onnx.NodeProto] = []
    paired: set[str] = set()
    convolutions = [node.name for node in graph.node if node.op_type == "Conv"][:-1]
    for node in graph.node:
        if node.name in convolutions:
            data, weight = node.input[:2]
            if data not in paired:  # one pair serves all that read the value
                nodes.extend(_pair(data))
                paired.add(data)
            if weight not in paired:
                nodes.append(_eight_bits(graph, tensors[weight]))
                paired.add(weight)
            node.input[0], node.input[1] = f"{data}_probe_dq", f"{weight}_probe_dq"
        nodes.append(node)
    copies = [copy.deepcopy(node) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    return quantised


def _pair(value: str) -> list[onnx.NodeProto]:
    quantise, dequantise = f"{value}_probe_q", f"{value}_probe_dq"
    return [
        helper.make_node("QuantizeLinear", [value, "probe_scale", "probe_zero"], [quantise], quantise),
        helper.make_node("DequantizeLinear", [quantise, "probe_scale", "probe_zero"], [dequantise], dequantise),
    ]


def _eight_bits(graph: onnx.GraphProto, tensor: onnx.TensorProto) -> onnx.NodeProto:
    """Replace a weight [out, in, height, width] by int8, symmetric per channel; return what makes floats of it."""
    name, weight = tensor.name, numpy_helper.to_array(tensor)
    scales = np.maximum(np.abs(weight).max(axis=(1, 2, 3)), 1e-6) / 127
    tensor.CopyFrom(numpy_helper.from_array(np.round(weight / scales[:, None, None, None]).astype(np.int8), name))
    graph.initializer.extend(
        [
            numpy_helper.from_array(scales.astype(np.float32), f"{name}_probe_scale"),
            numpy_helper.from_array(np.zeros(len(scales), np.int8), f"{name}_probe_zero"),
        ]
    )
    inputs = [name, f"{name}_probe_scale", f"{name}_probe_zero"]
    return helper.make_node("DequantizeLinear", inputs, [f"{name}_probe_dq"], f"{name}_probe_dq", axis=0)


def _without_types(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without the types of its values, which change; whoever reads it infers them."""
    changed = copy.deepcopy(model)
    del changed.graph.value_info[:]
    return changed
