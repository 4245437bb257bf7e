"""ONNX under the graph contract: typed as TensorRT wants it, named by ourselves, equal to PyTorch."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch

from segdata.dataset.dataset import Dataset
from segdata.errors import ContractError
from segdata.spec import PRECISION_KEY, SPEC_KEY, Precision
from segexport.graph.contract import check_contract
from segexport.graph.deployable import DeployableGraph
from segexport.graph.to_onnx import OPSET, to_onnx
from segrun.runners.onnxruntime import OnnxRuntimeRunner

if TYPE_CHECKING:
    from conftest import Artefacts

FLOATS: list[Precision] = ["fp32", "fp16"]


def type_of(value: onnx.ValueInfoProto) -> int:
    return int(value.type.tensor_type.elem_type)


@pytest.mark.parametrize("precision", FLOATS)
def test_the_file_is_one_checked_model_with_its_spec(artefacts: "Artefacts", precision: Precision) -> None:
    model = onnx.load(artefacts.onnx[precision])
    onnx.checker.check_model(model, full_check=True)
    assert check_contract(model).spec == artefacts.spec
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata == {SPEC_KEY: artefacts.spec.to_json(), PRECISION_KEY: precision}
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]


@pytest.mark.parametrize("precision", FLOATS)
def test_uint8_is_only_cast_to_and_from_float(artefacts: "Artefacts", precision: Precision) -> None:
    """TensorRT's typing rule, which decides the order of the first and of the last nodes."""
    graph = onnx.load(artefacts.onnx[precision]).graph
    assert [node.op_type for node in graph.node[:2]] == ["Cast", "Transpose"]
    assert [node.op_type for node in graph.node[-3:]] == ["ArgMax", "Cast", "Cast"]
    types = {value.name: type_of(value) for value in graph.value_info}
    assert types[graph.node[0].output[0]] == onnx.TensorProto.FLOAT
    assert types[graph.node[-1].input[0]] == onnx.TensorProto.FLOAT


@pytest.mark.parametrize(
    ("precision", "wanted"), [("fp32", onnx.TensorProto.FLOAT), ("fp16", onnx.TensorProto.FLOAT16)]
)
def test_convolutions_compute_in_the_precision_asked_for(
    artefacts: "Artefacts", precision: Precision, wanted: int
) -> None:
    graph = onnx.load(artefacts.onnx[precision]).graph
    types = {value.name: type_of(value) for value in graph.value_info}
    weights = {tensor.name: tensor.data_type for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type in ("Conv", "ConvTranspose")]
    assert len(convolutions) == 18
    for node in convolutions:
        assert {types[node.input[0]], weights[node.input[1]], weights[node.input[2]]} == {wanted}


def test_there_is_no_shape_arithmetic_and_no_batch_normalisation(artefacts: "Artefacts") -> None:
    kinds = {node.op_type for node in onnx.load(artefacts.onnx["fp32"]).graph.node}
    assert kinds == {
        "Cast", "Transpose", "Mul", "Add", "Conv", "Relu", "MaxPool", "Resize", "Concat", "ArgMax",
    }  # fmt: skip


def test_values_are_named_by_operator_and_position(artefacts: "Artefacts") -> None:
    """Calibration ranges go by these names, so they must not be the exporter's."""
    graph = onnx.load(artefacts.onnx["fp32"]).graph
    convolutions = [node.output[0] for node in graph.node if node.op_type == "Conv"]
    assert convolutions == [f"conv_{position}" for position in range(len(convolutions))]


def test_the_file_holds_no_path_of_the_machine_that_made_it(artefacts: "Artefacts") -> None:
    for path in artefacts.onnx.values():
        assert b".py" not in path.read_bytes()


def test_two_exports_are_the_same_bytes(artefacts: "Artefacts") -> None:
    models = [to_onnx(artefacts.network, artefacts.spec, "fp16") for _ in range(2)]
    assert models[0].SerializeToString() == models[1].SerializeToString()


def test_a_batch_is_static_and_gives_what_single_frames_give(
    artefacts: "Artefacts", dataset: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "batch.onnx"
    onnx.save(to_onnx(artefacts.network, artefacts.spec, "fp32", batch=3), path)
    frames = dataset.evaluation().images[:3]
    with OnnxRuntimeRunner(path) as batched, torch.inference_mode():
        assert batched.batch == 3
        expected = DeployableGraph(artefacts.network, artefacts.spec)(torch.from_numpy(frames)).numpy()
        assert np.mean(batched(frames) == expected) > 0.9999


def broken(artefacts: "Artefacts") -> onnx.ModelProto:
    return onnx.load(artefacts.onnx["fp32"])


def refused(model: onnx.ModelProto) -> str:
    with pytest.raises(ContractError) as caught:
        check_contract(model)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_graph_with_float_frames_breaks_the_contract(artefacts: "Artefacts") -> None:
    model = broken(artefacts)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    assert "frames float" in refused(model)


def test_a_graph_of_another_size_than_its_spec_breaks_the_contract(artefacts: "Artefacts") -> None:
    model = broken(artefacts)
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 32
    assert "labels uint8 [1, 32, 64]" in refused(model)


def test_a_model_without_spec_or_precision_is_refused(artefacts: "Artefacts") -> None:
    for position in range(2):
        model = broken(artefacts)
        del model.metadata_props[position]
        assert "an ONNX file without edgeseg's model spec" in refused(model)


def test_an_unknown_precision_is_refused(artefacts: "Artefacts") -> None:
    model = broken(artefacts)
    model.metadata_props[1].value = "int3"
    assert "int3" in refused(model)
