"""Checks an ONNX file before a runtime loads it: what readers crash on, or read other files for, is refused.

OpenVINO ends the process on a convolution without weights and looks for hours for operators of a version that is not
yet, ONNX Runtime never ends on a loop, and both read weights from whatever file the model names. So the file's own
structure (protobuf, of onnx.proto3) is looked at first, without the onnx package, which a device does not have.
"""

from collections.abc import Iterator
from math import prod
from pathlib import Path

from segdata.errors import ContractError, InputError
from segrun.runners.operators import OPERATORS, SEVERAL_OUTPUTS, SHAPED_BY

_Field = tuple[int, int | memoryview]
"""A field's number, and its value: a number, or what bytes it has."""

_MODEL_GRAPH, _MODEL_OPERATORS, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 8, 20, 25
_OPERATORS_VERSION = 2
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_SPARSE = 1, 5, 11, 12, 15
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 3, 4, 5, 7
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_TENSOR, _ATTRIBUTE_INTS = 1, 3, 5, 8
_ATTRIBUTE_GRAPHS = (6, 10, 11, 14, 15, 22, 23)  # graphs, types, and more tensors: nothing a UNet has
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_TENSOR_STRINGS, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 6, 13, 14
_VALUE_NAME = 1

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5

_NEWEST = 100  # ONNX is at 25; OpenVINO looks at each version down from what the file says

_POSITIVE = ("dilations", "group", "kernel_shape", "strides")
_LARGEST_ATTRIBUTE = 1 << 16
_LARGEST_SHAPE = 1 << 30
_NONE = 1 << 20  # an input that no operator has
_MOST_DIMENSIONS = 8

# Bytes a value, by onnx.TensorProto.DataType: the types of weights, scales, zero points and shapes.
_INT64 = 7
_VALUE_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 16: 2}


def check_onnx(path: Path) -> None:
    """Raise InputError if `path` is no ONNX file, ContractError if it has what no model of seg-export has."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); need an .onnx of seg-export") from None
    try:
        _check_model(memoryview(data))
    except _DamagedError:
        raise InputError(f"{path}: not an ONNX file, or one cut short; need one written by seg-export") from None
    except ContractError as error:
        raise ContractError(f"{path}: {error}; export it again with seg-export") from None


class _DamagedError(Exception):
    """The bytes are not valid protobuf."""


def _check_model(model: memoryview) -> None:
    graphs = []
    for number, value in _fields(model):
        if number in (_MODEL_TRAINING, _MODEL_FUNCTIONS):
            raise ContractError("it has functions of its own or what is for training, need a plain graph")
        if number == _MODEL_OPERATORS:
            _check_version(_bytes(value))
        if number == _MODEL_GRAPH:
            graphs.append(_bytes(value))
    if len(graphs) != 1:
        raise _DamagedError
    _check_graph(graphs[0])


def _check_version(operators: memoryview) -> None:
    for number, value in _fields(operators):
        if number == _OPERATORS_VERSION and isinstance(value, int) and value > _NEWEST:
            raise ContractError(f"its operators are of version {value}, need {_NEWEST} or less")


def _check_graph(graph: memoryview) -> None:
    known: set[str] = {""}  # an input that is left out has no name
    nodes, outputs = [], []
    sizes: dict[str, int] = {}
    for number, value in _fields(graph):
        if number == _GRAPH_SPARSE:
            raise ContractError("it has sparse weights, need plain ones")
        if number == _GRAPH_INITIALIZER:
            name, values = _check_tensor(_bytes(value))
            known.add(name)
            sizes[name] = values
        elif number == _GRAPH_INPUT:
            known.add(_text(_bytes(value), _VALUE_NAME))
        elif number == _GRAPH_OUTPUT:
            outputs.append(_text(_bytes(value), _VALUE_NAME))
        elif number == _GRAPH_NODE:
            nodes.append(_bytes(value))
    for node in nodes:
        _check_node(node, known, sizes)
    for output in outputs:
        if output not in known:
            raise ContractError(f"nothing makes its output {output[:80]!r}")


def _check_node(node: memoryview, known: set[str], sizes: dict[str, int]) -> None:
    """Check that a node's operator is known and reads only what comes before it; add what it makes to `known`.

    `sizes` has, of weights that may be a shape, the product.
    """
    inputs, outputs, name, operator = [], [], "", ""
    attributes = []
    for number, value in _fields(node):
        if number == _NODE_INPUT:
            inputs.append(_decoded(value))
        elif number == _NODE_OUTPUT:
            outputs.append(_decoded(value))
        elif number == _NODE_NAME:
            name = _decoded(value)
        elif number == _NODE_OPERATOR:
            operator = _decoded(value)
        elif number == _NODE_ATTRIBUTE:
            attributes.append(_bytes(value))
        elif number == _NODE_DOMAIN and _decoded(value) not in ("", "ai.onnx"):
            raise ContractError(f"its operator {operator[:80]!r} is of {_decoded(value)[:80]!r}, need ONNX's own")
    where = f"{operator[:80]} {name[:80]!r}"
    if operator not in OPERATORS:
        raise ContractError(f"its operator {operator[:80]!r} is not one that seg-export writes")
    least, most = OPERATORS[operator]
    if not least <= len(inputs) <= most or "" in inputs[: min(least, 2)]:
        raise ContractError(f"{where} has {len(inputs)} inputs, need {least} to {most}")
    made = [output for output in outputs if output]
    if not made or known.intersection(made) or (len(outputs) > 1 and operator not in SEVERAL_OUTPUTS):
        raise ContractError(f"{where} makes no value of its own")
    if unknown := next((value for value in inputs if value not in known), None):
        raise ContractError(f"{where} reads {unknown[:80]!r}, which nothing before it makes")
    for attribute in attributes:
        _check_attribute(attribute, where)
    if any(sizes.get(value, 0) > _LARGEST_SHAPE for value in inputs[SHAPED_BY.get(operator, _NONE) :][:1]):
        raise ContractError(f"{where} makes more than {_LARGEST_SHAPE} values")
    known.update(made)


def _check_attribute(attribute: memoryview, where: str) -> None:
    name, numbers = "", []
    for number, value in _fields(attribute):
        if number == _ATTRIBUTE_NAME:
            name = _decoded(value)
        elif number in (_ATTRIBUTE_INT, _ATTRIBUTE_INTS):
            numbers += [value] if isinstance(value, int) else list(_packed(value))
        elif number == _ATTRIBUTE_TENSOR:
            _check_tensor(_bytes(value))
        elif number in _ATTRIBUTE_GRAPHS:
            raise ContractError(f"{where} has a graph or a list of tensors in it, need a plain operator")
    numbers = [_signed(value) for value in numbers]
    lowest = 1 if name in _POSITIVE else -_LARGEST_ATTRIBUTE
    if len(numbers) > 2 * _MOST_DIMENSIONS or any(not lowest <= value <= _LARGEST_ATTRIBUTE for value in numbers):
        raise ContractError(f"{where} has {name[:80]} {numbers[:8]}, need {lowest} to {_LARGEST_ATTRIBUTE} each")


def _check_tensor(tensor: memoryview) -> tuple[str, int]:
    """Return a tensor's name, and the product of its values if it may be a shape; they must be as many as it says."""
    name, kind, raw = "", 0, None
    dims: list[int] = []
    for number, value in _fields(tensor):
        if number == _TENSOR_NAME:
            name = _decoded(value)
        elif number == _TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == _TENSOR_DIMS:
            dims += [_signed(size) for size in ([value] if isinstance(value, int) else _packed(value))]
        elif number == _TENSOR_RAW:
            raw = _bytes(value)
        elif number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value != 0):
            raise ContractError(f"its weights {name[:80]!r} are in another file, need one file")
        elif number == _TENSOR_STRINGS:
            raise ContractError(f"its weights {name[:80]!r} are text, need numbers")
    if kind not in _VALUE_BYTES or len(dims) > _MOST_DIMENSIONS or any(size < 0 for size in dims):
        raise ContractError(f"its weights {name[:80]!r} have type {kind} and shape {dims[:8]}, need numbers")
    # Without raw bytes there are at most as many values as bytes in the file.
    wanted = prod(dims) * _VALUE_BYTES[kind]
    if (raw is not None and len(raw) != wanted) or prod(dims) > len(tensor):
        raise ContractError(f"its weights {name[:80]!r} are not as many as their shape {dims} says")
    whole = kind == _INT64 and len(dims) <= 1 and raw is not None and len(raw) <= 2 * _MOST_DIMENSIONS * 8
    return name, prod(max(1, abs(each)) for each in raw.cast("q")) if whole and raw is not None else 0


def _fields(message: memoryview) -> Iterator[_Field]:
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == _VARINT:
            number, position = _varint(message, position)
            yield tag >> 3, number
            continue
        if kind == _LENGTH:
            size, position = _varint(message, position)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            size = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise _DamagedError
        if position + size > len(message):
            raise _DamagedError
        yield tag >> 3, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return the number that begins at `position`, and where the next thing does."""
    number = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise _DamagedError
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & (2**64 - 1), position
    raise _DamagedError


def _packed(message: memoryview) -> Iterator[int]:
    position = 0
    while position < len(message):
        number, position = _varint(message, position)
        yield number


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise _DamagedError
    return value


def _decoded(value: int | memoryview) -> str:
    try:
        return str(_bytes(value), "utf-8")
    except UnicodeDecodeError:
        raise _DamagedError from None


def _text(message: memoryview, wanted: int) -> str:
    """Return the text in field `wanted` of a message, empty if it has none."""
    return next((_decoded(value) for number, value in _fields(message) if number == wanted), "")
