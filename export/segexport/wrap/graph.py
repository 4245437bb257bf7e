"""The network between the two ends of the graph contract: normalisation before it, classes after it."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from segdata.size import Size
from segdata.spec import ModelSpec
from segexport.graph.contract import check_contract
from segexport.graph.to_onnx import rename_values, set_metadata
from segexport.wrap.foreign import Foreign
from segexport.wrap.options import Normalisation
from segexport.wrap.outputs import Meaning
from segrun.runners.contract import FRAMES, LABELS

_PREFIX = "wrapped/"

_IR_VERSION = 10
"""What TensorRT 10.12, OpenVINO 2025 and ONNX Runtime 1.20 all read."""


class _Ends:
    """Nodes and constants that are added before or after a network, one after the other; `where` begins their names."""

    def __init__(self, where: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []
        self._where = where

    def add(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:  # noqa: ANN401 - ONNX's
        name = output or f"{self._where}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        name = f"{self._where}_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name


def wrapped(
    foreign: Foreign, meaning: Meaning, normalisation: Normalisation, spec: ModelSpec, *, bgr: bool, corners: bool
) -> onnx.ModelProto:
    """Return a float32 model under the graph contract that shows `foreign` what it wants to see, and says the classes.

    `spec` is what the model carries.
    """
    network = onnx.compose.add_prefix(foreign.model, _PREFIX)
    before, after = _Ends("before"), _Ends("after")
    _shown(before, foreign, normalisation, bgr, _PREFIX + foreign.input)
    _classes(after, _PREFIX + meaning.name, meaning, foreign.size, corners)
    height, width = foreign.size
    frames = helper.make_tensor_value_info(FRAMES, TensorProto.UINT8, [1, height, width, 3])
    labels = helper.make_tensor_value_info(LABELS, TensorProto.UINT8, [1, height, width])
    nodes = [*before.nodes, *network.graph.node, *after.nodes]
    constants = [*before.constants, *network.graph.initializer, *after.constants]
    graph = helper.make_graph(_needed(nodes), "edgeseg", [frames], [labels], constants)
    model = helper.make_model(graph, opset_imports=list(foreign.model.opset_import), ir_version=_IR_VERSION)
    _drop_unused(model.graph)
    rename_values(model.graph)
    model = onnx.shape_inference.infer_shapes(model)
    set_metadata(model, spec, "fp32", spec.source_sha256)
    check_contract(model)
    return model


def _shown(ends: _Ends, foreign: Foreign, normalisation: Normalisation, bgr: bool, output: str) -> None:
    """Add what comes before the network: cast, order of channels, layout, (value - mean) / std."""
    mean, std = (np.asarray(values, dtype=np.float64) for values in (normalisation.mean, normalisation.std))
    value = ends.add("Cast", [FRAMES], to=TensorProto.FLOAT)  # TensorRT casts uint8 to floats alone, and that first
    axis = 3
    if foreign.channels_first:
        value, axis = ends.add("Transpose", [value], perm=[0, 3, 1, 2]), 1
    if bgr:
        value = ends.add("Gather", [value, ends.constant([2, 1, 0], np.int64)], axis=axis)
    if np.any(mean != 0) or np.any(std != 1):
        shape = (1, 3, 1, 1) if foreign.channels_first else (1, 1, 1, 3)
        value = ends.add("Sub", [value, ends.constant(mean.reshape(shape))])
        value = ends.add("Div", [value, ends.constant(std.reshape(shape))])
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(foreign.dtype))
    ends.add("Cast", [value], output, to=kind)


def _classes(ends: _Ends, value: str, meaning: Meaning, frame: Size, corners: bool) -> None:
    """Add what comes after the network: scores enlarged and compared, or ids enlarged; uint8 by way of float32."""
    value = ends.add("Cast", [value], to=TensorProto.FLOAT)
    if meaning.axis == 3:
        value = ends.add("Transpose", [value], perm=[0, 3, 1, 2])
    elif meaning.axis is None:
        shape = [1, 1, meaning.size.height, meaning.size.width]
        value = ends.add("Reshape", [value, ends.constant(shape, np.int64)])
    if meaning.size != frame:
        value = _enlarged(ends, value, meaning, frame, corners)
    if meaning.kind == "scores":
        value = ends.add("ArgMax", [value], axis=1, keepdims=0)
    else:
        if meaning.kind == "one score":
            above = ends.add("Greater", [value, ends.constant(meaning.threshold)])
            value = ends.add("Cast", [above], to=TensorProto.FLOAT)
        value = ends.add("Squeeze", [value, ends.constant([1], np.int64)])
    value = ends.add("Cast", [value], to=TensorProto.FLOAT)
    ends.add("Cast", [value], LABELS, to=TensorProto.UINT8)


def _enlarged(ends: _Ends, value: str, meaning: Meaning, frame: Size, corners: bool) -> str:
    if meaning.kind == "ids":  # no class lies between two others: the nearest pixel by its centre
        how = {"mode": "nearest", "coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"}
    else:
        how = {"mode": "linear", "coordinate_transformation_mode": "align_corners" if corners else "half_pixel"}
    sizes = ends.constant([1, meaning.channels, frame.height, frame.width], np.int64)
    return ends.add("Resize", [value, "", "", sizes], **how)


def _needed(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Return the nodes that the labels depend on: of several outputs one was taken."""
    wanted, kept = {LABELS}, []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def _drop_unused(graph: onnx.GraphProto) -> None:
    read = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
