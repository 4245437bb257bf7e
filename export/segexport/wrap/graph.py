"""The network between the two ends of the graph contract: normalisation before it, classes after it."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from segdata.images.size import Size
from segdata.spec import ModelSpec
from segexport.graph.contract import check_contract
from segexport.graph.nodes import Nodes, prune
from segexport.graph.to_onnx import rename_values, set_metadata
from segexport.wrap.foreign import Foreign
from segexport.wrap.options import Normalisation
from segexport.wrap.outputs import Meaning
from segrun.runners.contract import FRAMES, LABELS

_PREFIX = "wrapped/"

_IR_VERSION = 10
"""What TensorRT 10.12, OpenVINO 2025 and ONNX Runtime 1.20 all read."""


def wrapped(
    foreign: Foreign, meaning: Meaning, normalisation: Normalisation, spec: ModelSpec, *, bgr: bool, corners: bool
) -> onnx.ModelProto:
    """Return a float32 model under the graph contract, with `foreign` between its normalisation and the classes.

    The model carries `spec`.
    """
    network = onnx.compose.add_prefix(foreign.model, _PREFIX)
    before, after = Nodes("before"), Nodes("after")
    _shown(before, foreign, normalisation, bgr, _PREFIX + foreign.input)
    _classes(after, _PREFIX + meaning.name, meaning, foreign.size, corners)
    height, width = foreign.size
    frames = helper.make_tensor_value_info(FRAMES, TensorProto.UINT8, [1, height, width, 3])
    labels = helper.make_tensor_value_info(LABELS, TensorProto.UINT8, [1, height, width])
    nodes = [*before.nodes, *network.graph.node, *after.nodes]
    constants = [*before.constants, *network.graph.initializer, *after.constants]
    graph = helper.make_graph(nodes, "edgeseg", [frames], [labels], constants)
    model = helper.make_model(graph, opset_imports=list(foreign.model.opset_import), ir_version=_IR_VERSION)
    prune(model.graph)
    rename_values(model.graph)
    model = onnx.shape_inference.infer_shapes(model)
    set_metadata(model, spec, "fp32", spec.source_sha256)
    check_contract(model)
    return model


def _shown(ends: Nodes, foreign: Foreign, normalisation: Normalisation, bgr: bool, output: str) -> None:
    """Add what comes before the network: cast, order of channels, layout, (value - mean) / std."""
    mean, std = (np.asarray(values, dtype=np.float64) for values in (normalisation.mean, normalisation.std))
    value = ends.add("Cast", FRAMES, to=TensorProto.FLOAT)  # TensorRT casts uint8 only to floats, and only first
    axis = 3
    if foreign.channels_first:
        value, axis = ends.add("Transpose", value, perm=[0, 3, 1, 2]), 1
    if bgr:
        value = ends.add("Gather", value, ends.constant([2, 1, 0], np.int64), axis=axis)
    if np.any(mean != 0) or np.any(std != 1):
        shape = (1, 3, 1, 1) if foreign.channels_first else (1, 1, 1, 3)
        value = ends.add("Sub", value, ends.constant(mean.reshape(shape)))
        value = ends.add("Div", value, ends.constant(std.reshape(shape)))
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(foreign.dtype))
    ends.add("Cast", value, output=output, to=kind)


def _classes(ends: Nodes, value: str, meaning: Meaning, frame: Size, corners: bool) -> None:
    """Add what comes after the network: scores enlarged and compared, or ids enlarged; uint8 by way of float32."""
    value = ends.add("Cast", value, to=TensorProto.FLOAT)
    if meaning.axis == 3:
        value = ends.add("Transpose", value, perm=[0, 3, 1, 2])
    elif meaning.axis is None:
        shape = [1, 1, meaning.size.height, meaning.size.width]
        value = ends.add("Reshape", value, ends.constant(shape, np.int64))
    if meaning.size != frame:
        value = _enlarged(ends, value, meaning, frame, corners)
    if meaning.kind == "scores":
        value = ends.add("ArgMax", value, axis=1, keepdims=0)
    else:
        if meaning.kind == "one score":
            above = ends.add("Greater", value, ends.constant(meaning.threshold))
            value = ends.add("Cast", above, to=TensorProto.FLOAT)
        value = ends.add("Squeeze", value, ends.constant([1], np.int64))
    value = ends.add("Cast", value, to=TensorProto.FLOAT)
    ends.add("Cast", value, output=LABELS, to=TensorProto.UINT8)


def _enlarged(ends: Nodes, value: str, meaning: Meaning, frame: Size, corners: bool) -> str:
    if meaning.kind == "ids":  # classes cannot be averaged: the nearest pixel by its centre
        how = {"mode": "nearest", "coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"}
    else:
        how = {"mode": "linear", "coordinate_transformation_mode": "align_corners" if corners else "half_pixel"}
    sizes = ends.constant([1, meaning.channels, frame.height, frame.width], np.int64)
    return ends.add("Resize", value, "", "", sizes, **how)
