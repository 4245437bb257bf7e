"""An ONNX file from elsewhere: read, with sizes fixed, operators of one set and batch norm folded."""

from dataclasses import dataclass
from pathlib import Path

import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, version_converter

from segdata.errors import ContractError, InputError
from segdata.images.size import Size
from segdata.text import short
from segexport.graph.onnx_file import tensors_of
from segexport.wrap.session import folded, reason

OPSETS = (20, 18, 17, 16, 15, 14, 13)
"""The operator sets to convert a network to, the first that works; INT8 per channel needs 13."""

OLDEST = 7
"""The oldest operator set that ONNX Runtime promises to run."""

LARGEST = 1 << 30
"""The most bytes of a network: ONNX holds less than 2 GB in one file, and a wrapped network is a little larger."""

_OUTSIDE = {"If", "Loop", "Scan", "SequenceMap"}
_RESIZED = {"Upsample", "Resize"}
_LAYOUT_RANK = 4


@dataclass(frozen=True)
class Foreign:
    """A network from elsewhere. `original` is as it was read, with weights from beside it folded in.

    `model` computes the same in one of `OPSETS`, with fixed sizes. Its one input, `input`, takes [1, 3, H, W] if
    `channels_first`, else [1, H, W, 3], of the numpy type `dtype`; H and W are `size`.
    """

    path: Path
    original: onnx.ModelProto
    model: onnx.ModelProto
    input: str
    channels_first: bool
    dtype: npt.DTypeLike
    size: Size


def read_foreign(path: Path, size: Size | None) -> Foreign:
    """Read the ONNX file `path`; `size` fixes a height and width that it leaves open.

    Raises InputError if it cannot be read, weights are missing, or it does not take one picture at a time,
    ContractError if it has operators that do not run here or that ONNX cannot convert.
    """
    original = _read(path)
    _check_operators(path, original)
    entry = _the_input(path, original)
    channels_first, shape = _layout(path, entry, size)
    model = onnx.ModelProto()
    model.CopyFrom(original)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for dimension, length in zip(inputs[0].type.tensor_type.shape.dim, shape, strict=True):
        dimension.dim_value = length
    dtype = onnx.helper.tensor_dtype_to_np_dtype(entry.type.tensor_type.elem_type)
    converted = folded(path, _converted(path, model))
    height, width = shape[2:] if channels_first else shape[1:3]
    return Foreign(path, original, converted, entry.name, channels_first, dtype, Size(height, width))


def _read(path: Path) -> onnx.ModelProto:
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path}: has {path.stat().st_size / 1e9:.1f} GB, need at most {LARGEST / 1e9:.1f}")
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); name an .onnx file") from None
    except (DecodeError, ValueError):
        raise InputError(f"{path}: not an ONNX file, or one cut short; need an .onnx") from None
    if not model.graph.node:
        raise InputError(f"{path}: not an ONNX file, or an empty one; need an .onnx with a network")
    for tensor in tensors_of(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            _bring_in(path, tensor)
    return model


def _bring_in(path: Path, tensor: TensorProto) -> None:
    """Move weights from a file beside `path` into the model; nothing else is read."""
    location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    file = path.parent / location
    if not location or Path(location).name != location:
        raise InputError(f"{path}: its weights are in {short(repr(location))}; need them in a file beside it")
    if not file.is_file():
        raise InputError(f"{path}: its weights are in {short(location)}, which is missing; put that file beside it")
    if file.stat().st_size > LARGEST:
        raise InputError(f"{file}: has {file.stat().st_size / 1e9:.1f} GB, need at most {LARGEST / 1e9:.1f}")
    try:
        onnx.external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: its weights in {short(location)} cannot be read ({reason(error)})") from None
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _check_operators(path: Path, model: onnx.ModelProto) -> None:
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < OLDEST:
        raise ContractError(f"{path}: it uses operator set {opset}, need {OLDEST} or later; export it again")
    if model.functions or model.graph.sparse_initializer:
        raise ContractError(f"{path}: it has functions of its own or sparse weights, need a plain graph")
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx"):
            raise ContractError(
                f"{path}: its operator {short(node.op_type)} is of {short(node.domain)}, need ONNX's own; export it "
                "without"
            )
        if node.op_type in _OUTSIDE:
            raise ContractError(
                f"{path}: it has the control flow {node.op_type}, need a plain graph; export it without"
            )
        if not onnx.defs.has(node.op_type):
            raise ContractError(
                f"{path}: unknown operator {short(node.op_type)}; only the standard operators of ONNX run here"
            )


def _the_input(path: Path, model: onnx.ModelProto) -> onnx.ValueInfoProto:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise InputError(f"{path}: its inputs are {short(names)}; need one, the picture")
    entry: onnx.ValueInfoProto = inputs[0]
    return entry


def _layout(path: Path, entry: onnx.ValueInfoProto, size: Size | None) -> tuple[bool, tuple[int, int, int, int]]:
    """Return whether channels come before height and width, and the whole shape."""
    shape = [dimension.dim_value for dimension in entry.type.tensor_type.shape.dim]  # 0 where it is open
    if len(shape) != _LAYOUT_RANK or 3 not in (shape[1], shape[3]):
        said = [length or "?" for length in shape]
        raise InputError(
            f"{path}: takes {entry.name} {said}; need pictures of three channels, [N, 3, H, W] or [N, H, W, 3]"
        )
    channels_first = shape[1] == 3 and (shape[3] != 3 or shape[2] == 3)
    fixed = shape[2:] if channels_first else shape[1:3]
    if 0 in fixed and size is None:
        raise InputError(f"{path}: leaves open how large its pictures are; give --size WxH")
    if size is not None and any(length not in (0, asked) for length, asked in zip(fixed, size, strict=True)):
        raise InputError(f"{path}: takes pictures of {Size(*fixed)}, got --size {size}; leave it out")
    if shape[0] > 1:
        raise InputError(f"{path}: takes {shape[0]} pictures at once, need one; export it with a batch of 1")
    height, width = size or fixed
    return channels_first, (1, 3, height, width) if channels_first else (1, height, width, 3)


def _converted(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` in the newest of `OPSETS` that ONNX's converter can reach."""
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    # Before set 11 the samples of an enlargement began at the corner; the converter writes "half_pixel" for it.
    corners = {name for node in model.graph.node if opset < 11 and node.op_type in _RESIZED for name in node.output}
    problem: Exception = ValueError("no operator set fits")
    for target in OPSETS:
        try:
            found: onnx.ModelProto = model if target == opset else version_converter.convert_version(model, target)
        except Exception as error:  # the converter raises anything
            problem = error
            continue
        for node in found.graph.node:
            if node.op_type == "Resize" and corners.intersection(node.output):
                _sample_from_the_corner(node)
        return found
    raise ContractError(
        f"{path}: ONNX cannot convert it to operator set {OPSETS[-1]} ({reason(problem)}); export it again"
    )


def _sample_from_the_corner(node: onnx.NodeProto) -> None:
    kept = [each for each in node.attribute if each.name not in ("coordinate_transformation_mode", "nearest_mode")]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.append(onnx.helper.make_attribute("coordinate_transformation_mode", "asymmetric"))
    node.attribute.append(onnx.helper.make_attribute("nearest_mode", "floor"))
