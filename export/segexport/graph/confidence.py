"""Adds the output `confidence` to a model under the graph contract: the largest softmax probability of each pixel."""

import copy

import numpy as np
import onnx
from onnx import TensorProto, helper

from segdata.errors import InputError
from segexport.graph.contract import check_contract
from segexport.graph.nodes import Nodes, prune
from segrun.runners.contract import CONFIDENCE, LABELS

SCORES = "scores"
"""The option of a wrapped network's spec that names its output: "logits", "probabilities" or "ids"."""

_CASTS = {"Cast", "Squeeze"}  # operators between the classes and the labels


def with_confidence(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with a second output, confidence uint8 [N, H, W]: 255 times the probability of the label, rounded.

    The probability is the softmax of the scores that the labels are the argmax of, or the sigmoid of a single score;
    scores that already are probabilities are kept. The nodes that compute the labels do not change. Raises InputError
    if the network gives finished classes, which do not say how sure it is.
    """
    contract = check_contract(model)
    if contract.confidence:
        return model
    found = copy.deepcopy(model)
    kind = contract.spec.options.get(SCORES, "logits")
    deciding = _deciding(found.graph)
    if kind == "ids" or deciding is None:
        raise InputError("the network gives finished classes without a confidence; leave out --confidence")
    nodes = Nodes(CONFIDENCE)
    scores = nodes.add("Cast", deciding.input[0], to=TensorProto.FLOAT)
    if deciding.op_type == "ArgMax":
        probabilities = scores if kind == "probabilities" else nodes.add("Softmax", scores, axis=1)
        surest = nodes.add("ReduceMax", probabilities, nodes.constant([1], np.int64), keepdims=0)
    else:
        second = scores if kind == "probabilities" else nodes.add("Sigmoid", scores)
        first = nodes.add("Sub", nodes.constant(1.0), second)
        surest = nodes.add("Squeeze", nodes.add("Max", first, second), nodes.constant([1], np.int64))
    rounded = nodes.add("Round", nodes.add("Mul", surest, nodes.constant(255.0)))
    nodes.add("Cast", rounded, to=TensorProto.UINT8, output=CONFIDENCE)
    nodes.append_to(found.graph)
    shape = [contract.batch, contract.spec.height, contract.spec.width]
    found.graph.output.append(helper.make_tensor_value_info(CONFIDENCE, TensorProto.UINT8, shape))
    found = onnx.shape_inference.infer_shapes(found)
    check_contract(found)
    return found


def without_confidence(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with the labels as its only output, and without what only the confidence needs."""
    found = copy.deepcopy(model)
    graph = found.graph
    for output in [output for output in graph.output if output.name == CONFIDENCE]:
        graph.output.remove(output)
    prune(graph)
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
