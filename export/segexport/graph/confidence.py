"""Adds the output `confidence` to a model under the graph contract: the largest softmax probability of each pixel."""

import copy
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from segdata.errors import InputError
from segexport.graph.contract import check_contract
from segrun.runners.contract import CONFIDENCE, LABELS

SCORES = "scores"
"""The option of a wrapped network's spec that says what it gives: "logits", "probabilities" or "ids"."""

_CASTS = {"Cast", "Squeeze"}  # what stands between the classes and the labels


def with_confidence(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with a second output, confidence uint8 [N, H, W]: 255 times the probability of the label, rounded.

    The probability is the softmax of the scores that the labels are the argmax of, or the sigmoid of a single score;
    scores that are probabilities already are taken as they are. What the labels are computed by is left alone. Raises
    InputError if the network gives finished classes: nothing says how sure it is.
    """
    contract = check_contract(model)
    if contract.confidence:
        return model
    found = copy.deepcopy(model)
    kind = contract.spec.options.get(SCORES, "logits")
    deciding = _deciding(found.graph)
    if kind == "ids" or deciding is None:
        raise InputError("the network gives finished classes, and not how sure it is of them; leave out --confidence")
    graph = found.graph
    float32 = _add(graph, "Cast", deciding.input[0], to=TensorProto.FLOAT)
    if deciding.op_type == "ArgMax":
        probabilities = float32 if kind == "probabilities" else _add(graph, "Softmax", float32, axis=1)
        surest = _add(graph, "ReduceMax", probabilities, _constant(graph, [1], np.int64), keepdims=0)
    else:
        second = float32 if kind == "probabilities" else _add(graph, "Sigmoid", float32)
        first = _add(graph, "Sub", _constant(graph, 1.0), second)
        surest = _add(graph, "Squeeze", _add(graph, "Max", first, second), _constant(graph, [1], np.int64))
    scaled = _add(graph, "Mul", surest, _constant(graph, 255.0))
    rounded = _add(graph, "Round", scaled)
    _add(graph, "Cast", rounded, to=TensorProto.UINT8, name=CONFIDENCE)
    shape = [contract.batch, contract.spec.height, contract.spec.width]
    graph.output.append(helper.make_tensor_value_info(CONFIDENCE, TensorProto.UINT8, shape))
    found = onnx.shape_inference.infer_shapes(found)
    check_contract(found)
    return found


def without_confidence(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with the labels as its only output, and without what only the confidence needs."""
    found = copy.deepcopy(model)
    graph = found.graph
    for output in [output for output in graph.output if output.name == CONFIDENCE]:
        graph.output.remove(output)
    wanted = {LABELS}
    for node in reversed(list(graph.node)):
        if wanted.intersection(node.output):
            wanted.update(node.input)
        else:
            graph.node.remove(node)
    for values in (graph.initializer, graph.value_info):
        for value in [value for value in values if value.name not in wanted]:
            values.remove(value)
    return found


def _deciding(graph: onnx.GraphProto) -> onnx.NodeProto | None:
    """Return the node that decides the classes, ArgMax over the channels or Greater of one score; None without one."""
    made = {output: node for node in graph.node for output in node.output}
    node = made.get(LABELS)
    while node is not None and node.op_type in _CASTS:
        node = made.get(node.input[0])
    if node is None or node.op_type not in ("ArgMax", "Greater"):
        return None
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    return node if node.op_type == "Greater" or axis == 1 else None


def _add(graph: onnx.GraphProto, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:  # noqa: ANN401 - ONNX's
    output = name or f"{CONFIDENCE}_{len(graph.node)}"
    graph.node.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
    return output


def _constant(graph: onnx.GraphProto, value: float | list[int], dtype: type = np.float32) -> str:
    name = f"{CONFIDENCE}_constant_{len(graph.initializer)}"
    graph.initializer.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
    return name
