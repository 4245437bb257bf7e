"""Checks an ONNX file before a runtime loads it: refuses models that crash runtimes or make them read other files.

OpenVINO aborts the process on a convolution without weights and searches for hours for operators of a version that does
not exist yet, ONNX Runtime hangs on a loop, and both read weights from any file the model names. So the file's own
structure (protobuf, of onnx.proto3) is checked first, without the onnx package, which a device does not have.
"""

from math import prod
from pathlib import Path

from segdata.errors import ContractError, InputError
from segrun.runners.operators import OPERATORS, SEVERAL_OUTPUTS, SHAPED_BY
from segrun.runners.protobuf import DamagedError, as_bytes, as_text, fields, packed, signed, text_in

_MODEL_GRAPH, _MODEL_OPERATORS, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 8, 20, 25
_OPERATORS_VERSION = 2
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_SPARSE = 1, 5, 11, 12, 15
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 3, 4, 5, 7
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_TENSOR, _ATTRIBUTE_INTS = 1, 3, 5, 8
_ATTRIBUTE_GRAPHS = (6, 10, 11, 14, 15, 22, 23)  # graphs, types, and more tensors: nothing a UNet has
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_TENSOR_STRINGS, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 6, 13, 14
_VALUE_NAME = 1

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
    """Raise InputError if `path` is not an ONNX file, ContractError for anything that seg-export does not write."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); need an .onnx of seg-export") from None
    try:
        _check_model(memoryview(data))
    except DamagedError:
        raise InputError(f"{path}: not an ONNX file, or one cut short; need one written by seg-export") from None
    except ContractError as error:
        raise ContractError(f"{path}: {error}; export it again with seg-export") from None


def _check_model(model: memoryview) -> None:
    graphs = []
    for number, value in fields(model):
        if number in (_MODEL_TRAINING, _MODEL_FUNCTIONS):
            raise ContractError("it has functions of its own or what is for training, need a plain graph")
        if number == _MODEL_OPERATORS:
            _check_version(as_bytes(value))
        if number == _MODEL_GRAPH:
            graphs.append(as_bytes(value))
    if len(graphs) != 1:
        raise DamagedError
    _check_graph(graphs[0])


def _check_version(operators: memoryview) -> None:
    for number, value in fields(operators):
        if number == _OPERATORS_VERSION and isinstance(value, int) and value > _NEWEST:
            raise ContractError(f"its operators are of version {value}, need {_NEWEST} or less")


def _check_graph(graph: memoryview) -> None:
    known: set[str] = {""}  # an input that is left out has no name
    nodes, outputs = [], []
    sizes: dict[str, int] = {}
    for number, value in fields(graph):
        if number == _GRAPH_SPARSE:
            raise ContractError("it has sparse weights, need plain ones")
        if number == _GRAPH_INITIALIZER:
            name, values = _check_tensor(as_bytes(value))
            known.add(name)
            sizes[name] = values
        elif number == _GRAPH_INPUT:
            known.add(text_in(as_bytes(value), _VALUE_NAME))
        elif number == _GRAPH_OUTPUT:
            outputs.append(text_in(as_bytes(value), _VALUE_NAME))
        elif number == _GRAPH_NODE:
            nodes.append(as_bytes(value))
    for node in nodes:
        _check_node(node, known, sizes)
    for output in outputs:
        if output not in known:
            raise ContractError(f"nothing makes its output {output[:80]!r}")


def _check_node(node: memoryview, known: set[str], sizes: dict[str, int]) -> None:
    """Check that a node's operator is known and reads only what comes before it; add what it makes to `known`.

    `sizes` has the product of the values of weights that may be a shape.
    """
    inputs, outputs, name, operator = [], [], "", ""
    attributes = []
    for number, value in fields(node):
        if number == _NODE_INPUT:
            inputs.append(as_text(value))
        elif number == _NODE_OUTPUT:
            outputs.append(as_text(value))
        elif number == _NODE_NAME:
            name = as_text(value)
        elif number == _NODE_OPERATOR:
            operator = as_text(value)
        elif number == _NODE_ATTRIBUTE:
            attributes.append(as_bytes(value))
        elif number == _NODE_DOMAIN and as_text(value) not in ("", "ai.onnx"):
            raise ContractError(f"its operator {operator[:80]!r} is of {as_text(value)[:80]!r}, need ONNX's own")
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
    for number, value in fields(attribute):
        if number == _ATTRIBUTE_NAME:
            name = as_text(value)
        elif number in (_ATTRIBUTE_INT, _ATTRIBUTE_INTS):
            numbers += [value] if isinstance(value, int) else list(packed(value))
        elif number == _ATTRIBUTE_TENSOR:
            _check_tensor(as_bytes(value))
        elif number in _ATTRIBUTE_GRAPHS:
            raise ContractError(f"{where} has a graph or a list of tensors in it, need a plain operator")
    numbers = [signed(value) for value in numbers]
    lowest = 1 if name in _POSITIVE else -_LARGEST_ATTRIBUTE
    if len(numbers) > 2 * _MOST_DIMENSIONS or any(not lowest <= value <= _LARGEST_ATTRIBUTE for value in numbers):
        raise ContractError(f"{where} has {name[:80]} {numbers[:8]}, need {lowest} to {_LARGEST_ATTRIBUTE} each")


def _check_tensor(tensor: memoryview) -> tuple[str, int]:
    """Return a tensor's name, and the product of its values if it may be a shape; its values must fit its shape."""
    name, kind, raw = "", 0, None
    dims: list[int] = []
    for number, value in fields(tensor):
        if number == _TENSOR_NAME:
            name = as_text(value)
        elif number == _TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == _TENSOR_DIMS:
            dims += [signed(size) for size in ([value] if isinstance(value, int) else packed(value))]
        elif number == _TENSOR_RAW:
            raw = as_bytes(value)
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
