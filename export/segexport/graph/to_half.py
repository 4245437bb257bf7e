"""A float32 model under the graph contract -> the same with its inside in float16."""

import copy

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

from segexport.graph.contract import check_contract
from segexport.graph.to_onnx import rename_values, set_metadata
from segrun.runners.contract import FRAMES

_BEFORE = {"Cast", "Transpose", "Gather", "Sub", "Div", "Mul", "Add"}
"""What normalisation is made of: up to the first other operator a pixel is a number of 0 to 255, or little less."""


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` in float16, but for the normalisation before the network and the class ids after it.

    Raises ContractError if the model is not under the graph contract.
    """
    contract = check_contract(model)
    kept = [*_before(model.graph), *(node.name for node in model.graph.node[-2:])]
    found: onnx.ModelProto = convert_float_to_float16(
        copy.deepcopy(model), keep_io_types=True, node_block_list=kept, disable_shape_infer=False
    )
    del found.graph.value_info[:]
    rename_values(found.graph)
    found = onnx.shape_inference.infer_shapes(found)
    set_metadata(found, contract.spec, "fp16", contract.weights)
    check_contract(found)
    return found


def _before(graph: onnx.GraphProto) -> list[str]:
    """Return the names of the nodes before the network: those that hold on the frames alone."""
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
