"""Damages the graph of an ONNX file so that it remains an ONNX file."""

import json
from collections.abc import Callable
from random import Random

import onnx

from helpers.damage import damaged, damaged_json, strange_number
from segdata.spec import SPEC_KEY


def damaged_graph(data: bytes, random: Random) -> bytes:
    """Damage an ONNX file by what it says, the spec within it, or the bytes."""
    way = random.random()
    if way < 0.35:
        return damaged(data, random)
    model = onnx.load_model_from_string(data)
    if way < 0.5:
        entry = random.choice(model.metadata_props)
        is_spec = entry.key == SPEC_KEY and random.random() < 0.9
        entry.value = damaged_json(entry.value, random) if is_spec else random.choice(("", "fp64", "a,b", ",,", "\x00"))
        return bytes(model.SerializeToString())
    for _ in range(random.choice((1, 1, 2, 3))):
        random.choice(_GRAPH_CHANGES)(model, random)
    return bytes(model.SerializeToString())


def _names(model: onnx.ModelProto) -> list[str]:
    return [name for node in model.graph.node for name in (*node.input, *node.output)] + ["", "nowhere", "frames"]


def _rewire(model: onnx.ModelProto, random: Random) -> None:
    node = random.choice(model.graph.node)
    names = random.choice((node.input, node.output))
    if names:
        names[random.randrange(len(names))] = random.choice(_names(model))


def _loop(model: onnx.ModelProto, random: Random) -> None:
    node = random.choice(model.graph.node)
    if node.input and node.output:
        node.input[0] = random.choice((node.output[0], random.choice(_names(model))))


def _rename_operator(model: onnx.ModelProto, random: Random) -> None:
    operators = ("Cast", "QuantizeLinear", "DequantizeLinear", "If", "Loop", "Conv", "Concat", "Identity", "Resize",
                 "ConstantOfShape", "Expand", "Tile", "Nothing", "",
                 "MatMul", "Reshape", "Gather", "MaxPool")  # fmt: skip
    random.choice(model.graph.node).op_type = random.choice(operators)


def _change_attribute(model: onnx.ModelProto, random: Random) -> None:
    attributes = [attribute for node in model.graph.node for attribute in node.attribute]
    attribute = random.choice(attributes)
    way = random.randrange(4)
    if way == 0:
        attribute.type = random.choice(onnx.AttributeProto.AttributeType.values())
    elif way == 1 and attribute.ints:
        attribute.ints[random.randrange(len(attribute.ints))] = min(strange_number(random), 2**63 - 1)
    elif way == 2:
        attribute.i = min(strange_number(random), 2**63 - 1)
    else:
        attribute.ints.extend([1] * random.choice((1, 10_000)))


def _change_weight(model: onnx.ModelProto, random: Random) -> None:
    tensor = random.choice(model.graph.initializer)
    way = random.randrange(5)
    if way == 0 and tensor.dims:
        tensor.dims[random.randrange(len(tensor.dims))] = min(strange_number(random), 2**63 - 1)
    elif way == 1:
        tensor.data_type = random.choice((*onnx.TensorProto.DataType.values(), 99, -1))
    elif way == 2:
        tensor.raw_data = tensor.raw_data[: random.randrange(len(tensor.raw_data) + 1)]
    elif way == 3:
        del tensor.dims[:]
        tensor.dims.extend([1] * random.choice((0, 1, 50, 5000)))
    else:
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (
            (
                "location",
                random.choice(("../onnx/x", "/etc/passwd", "tiny.bin", "")),
            ),
            ("length", "4"),
        ):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value


def _change_signature(model: onnx.ModelProto, random: Random) -> None:
    values = [*model.graph.input, *model.graph.output]
    tensor = random.choice(values).type.tensor_type
    way = random.randrange(4)
    if way == 0:
        tensor.elem_type = random.choice((*onnx.TensorProto.DataType.values(), 99, -1))
    elif way == 1:
        del tensor.shape.dim[:]
    elif way == 2 and tensor.shape.dim:
        size = random.choice(tensor.shape.dim)
        size.dim_value = min(strange_number(random), 2**63 - 1)
    else:  # a batch that fits together
        batch = random.choice((2, 0, -1, 2**20, 2**31, 2**62))
        for value in values:
            if value.type.tensor_type.shape.dim:
                value.type.tensor_type.shape.dim[0].dim_value = batch


def _change_size(model: onnx.ModelProto, random: Random) -> None:
    """Make frames large, spec and signature alike."""
    height, width = random.choice(((2**14, 2**14), (1, 1), (2**30, 4), (0, 0), (64, 32), (2**40, 2**40)))
    for entry in model.metadata_props:
        if entry.key == SPEC_KEY:
            entry.value = json.dumps(json.loads(entry.value) | {"height": height, "width": width})
    for value in (*model.graph.input, *model.graph.output):
        dims = value.type.tensor_type.shape.dim
        if len(dims) > 2:
            dims[1].dim_value, dims[2].dim_value = height, width
    del model.graph.value_info[:]


def _remove_part(model: onnx.ModelProto, random: Random) -> None:
    graph = model.graph
    parts = [graph.node, graph.initializer, graph.input, graph.output, graph.value_info, model.metadata_props]
    parts += [node.input for node in graph.node] + [node.output for node in graph.node] + [model.opset_import]
    part = random.choice([part for part in parts if len(part)])
    del part[random.randrange(len(part))]


def _change_versions(model: onnx.ModelProto, random: Random) -> None:
    if random.random() < 0.5:
        model.ir_version = min(strange_number(random), 2**63 - 1)
    elif model.opset_import:
        model.opset_import[0].version = min(strange_number(random), 2**63 - 1)
        model.opset_import[0].domain = random.choice(("", "nowhere", "com.microsoft"))


def _nest(model: onnx.ModelProto, random: Random) -> None:
    """Nest graphs in graphs."""
    inner = onnx.GraphProto()
    for _ in range(random.choice((1, 20, 40))):
        outer = onnx.GraphProto()
        node = outer.node.add()
        node.op_type = "If"
        attribute = node.attribute.add()
        attribute.name, attribute.type = "then_branch", onnx.AttributeProto.GRAPH
        attribute.g.CopyFrom(inner)
        inner = outer
    attribute = random.choice(model.graph.node).attribute.add()
    attribute.name, attribute.type = "then_branch", onnx.AttributeProto.GRAPH
    attribute.g.CopyFrom(inner)


_GRAPH_CHANGES: tuple[Callable[[onnx.ModelProto, Random], None], ...] = (
    _rewire, _rewire, _loop, _rename_operator, _change_attribute, _change_attribute, _change_weight, _change_weight,
    _change_signature, _change_size, _remove_part, _remove_part, _change_versions, _nest,
)  # fmt: skip
