"""Reads the graph contract from an ONNX model in memory."""

import onnx

from segrun.runners.contract import Contract, contract_of


def check_contract(model: onnx.ModelProto, origin: str = "the ONNX model") -> Contract:
    """Return the model's contract; raise ContractError, naming `origin`, if the model is not edgeseg's."""
    metadata = {entry.key: str(entry.value) for entry in model.metadata_props}
    return contract_of(metadata, [_describe(value) for value in [*model.graph.input, *model.graph.output]], origin)


def _describe(value: onnx.ValueInfoProto) -> str:
    tensor = value.type.tensor_type
    shape = [dimension.dim_value for dimension in tensor.shape.dim]
    kinds = onnx.TensorProto.DataType
    kind = kinds.Name(tensor.elem_type).lower() if tensor.elem_type in kinds.values() else f"type {tensor.elem_type}"
    return f"{value.name} {kind} {shape}"
