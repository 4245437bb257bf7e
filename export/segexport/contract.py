"""The graph contract, checked on ONNX: frames uint8 [N, H, W, 3] -> labels uint8 [N, H, W], and a spec that fits."""

from typing import cast, get_args

import onnx

from segdata.errors import ContractError
from segdata.spec import CALIBRATION_KEY, PRECISION_KEY, SPEC_KEY, ModelSpec, Precision
from segdata.text import short

FRAMES = "frames"
LABELS = "labels"


def check_contract(model: onnx.ModelProto) -> ModelSpec:
    """Return the model's spec; raise ContractError, saying what differs, if the model is no edgeseg artefact."""
    spec = ModelSpec.from_json(_metadata(model, SPEC_KEY), origin="the ONNX model")
    precision_of(model)
    found = [_describe(value) for value in [*model.graph.input, *model.graph.output]]
    sizes = model.graph.input[0].type.tensor_type.shape.dim if model.graph.input else []
    batch = sizes[0].dim_value if sizes else 1
    shape = [batch, spec.height, spec.width]
    wanted = [f"{FRAMES} UINT8 {[*shape, 3]}", f"{LABELS} UINT8 {shape}"]
    if found != wanted or batch < 1:
        raise ContractError(
            f"got an ONNX model with {short(', '.join(found))}, need {', '.join(wanted)}; use seg-export"
        )
    return spec


def precision_of(model: onnx.ModelProto) -> Precision:
    """Return what the model computes in; raise ContractError if it does not say."""
    precision = _metadata(model, PRECISION_KEY)
    if precision not in get_args(Precision):
        raise ContractError(
            f"the ONNX model's precision is {short(precision)!r}, need {', '.join(get_args(Precision))}"
        )
    return cast("Precision", precision)


def calibration_frames_of(model: onnx.ModelProto) -> tuple[str, ...]:
    """Return the `frame_id` of each frame that calibrated the model's INT8; none for floats."""
    for entry in model.metadata_props:
        if entry.key == CALIBRATION_KEY:
            return tuple(filter(None, str(entry.value).split(",")))
    return ()


def _metadata(model: onnx.ModelProto, key: str) -> str:
    for entry in model.metadata_props:
        if entry.key == key:
            return str(entry.value)
    raise ContractError(f"the ONNX model carries no {key}; export it with seg-export")


def _describe(value: onnx.ValueInfoProto) -> str:
    tensor = value.type.tensor_type
    shape = [dimension.dim_value for dimension in tensor.shape.dim]
    kinds = onnx.TensorProto.DataType
    kind = kinds.Name(tensor.elem_type) if tensor.elem_type in kinds.values() else f"type {tensor.elem_type}"
    return f"{value.name} {kind} {shape}"
