"""The real TensorRT-RTX builder: what it refuses is told by node, and leaves no engine."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import pytest

from segdata.errors import ContractError, EdgeSegError, MissingDependencyError
from segexport.to_engine import Target, build_engine
from segrun.tensorrt_library import TensorRT, load_tensorrt

if TYPE_CHECKING:
    from conftest import Artefacts

SM75 = Target("any GPU of compute capability 7.5", "7.5")


@pytest.fixture
def library() -> TensorRT:
    pytest.importorskip("tensorrt_rtx", reason="the builder is tensorrt_rtx, which is not installed")
    return load_tensorrt("tensorrt-rtx")


def test_an_operator_tensorrt_lacks_is_named_with_its_node(
    library: TensorRT, artefacts: "Artefacts", tmp_path: Path
) -> None:
    model = onnx.load(artefacts.onnx["fp32"])
    for node in model.graph.node:
        if node.name == "relu_3":
            node.op_type = "Det"
    path = tmp_path / "odd.onnx"
    onnx.save(model, path)
    with pytest.raises(EdgeSegError, match=r"TensorRT cannot read it: node relu_3: ") as caught:
        build_engine(library, path, SM75, None, "rebuild")
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["odd.onnx"]


def test_mixed_types_are_refused_because_the_network_is_strongly_typed(
    library: TensorRT, artefacts: "Artefacts", tmp_path: Path
) -> None:
    """Precision is what the ONNX says: the builder must not convert on its own."""
    model = onnx.load(artefacts.onnx["fp16"])
    for tensor in model.graph.initializer:
        if tensor.name == "network.stem.0.bias":
            values = onnx.numpy_helper.to_array(tensor).astype("float32")
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    path = tmp_path / "mixed.onnx"
    onnx.save(model, path)
    with pytest.raises(EdgeSegError, match="TensorRT cannot"):
        build_engine(library, path, SM75, None, "rebuild")


def test_an_onnx_of_another_tool_is_refused(library: TensorRT, artefacts: "Artefacts", tmp_path: Path) -> None:
    model = onnx.load(artefacts.onnx["fp32"])
    del model.metadata_props[:]
    path = tmp_path / "foreign.onnx"
    onnx.save(model, path)
    with pytest.raises(ContractError, match="carries no edgeseg"):
        build_engine(library, path, SM75, None, "rebuild")


def test_tensorrt_that_is_not_installed_is_named_with_the_command_that_installs_it() -> None:
    if importlib.util.find_spec("tensorrt"):
        pytest.skip("tensorrt is installed here")
    with pytest.raises(MissingDependencyError, match=r"pip install 'edgeseg\[tensorrt\]'"):
        load_tensorrt("tensorrt")
