"""Networks with matrix products: wrapped, exported in all precisions, and built into engines for a GTX 1660 Ti."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from helpers.torch_networks import HEIGHT, LRASPP, WIDTH, SegFormer, write_torch_network
from segdata.command_line.progress import SILENT
from segdata.images.size import Size
from segdata.options import PrepareOptions, SynthOptions
from segdata.prepare.prepare import prepare
from segdata.synth.write import write_synthetic
from segexport.export import export
from segexport.graph.without_gemm import without_float32_gemm
from segexport.options import ExportOptions
from segexport.wrap.options import WrapOptions
from segexport.wrap.wrap import wrap
from segrun.runners.tensorrt.manifest import read_manifest

RANDOM = np.random.default_rng(0)


def run(model: onnx.ModelProto, **inputs: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, inputs)[0])


def network(node: onnx.NodeProto, shape: list[int], output: list[int], **constants: np.ndarray) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)]
    initializers = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    graph = helper.make_graph([node], "product", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


FORMS: dict[str, tuple[Any, ...]] = {
    "rows": ("MatMul", {}, [7, 5], [5, 3], None),
    "tokens": ("MatMul", {}, [1, 7, 5], [5, 3], None),
    "a batch of tokens": ("MatMul", {}, [2, 4, 7, 5], [5, 3], None),
    "Gemm": ("Gemm", {}, [7, 5], [5, 3], [3]),
    "Gemm, transposed": ("Gemm", {"transB": 1}, [7, 5], [3, 5], [3]),
    "Gemm without bias": ("Gemm", {}, [7, 5], [5, 3], None),
    "Gemm, scaled": ("Gemm", {"alpha": 0.5, "beta": 2.0}, [7, 5], [5, 3], [3]),
    "Gemm, transposed input": ("Gemm", {"transA": 1}, [5, 7], [5, 3], [3]),
    "three dimensions": ("MatMul", {}, [2, 7, 5], [2, 5, 3], None),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_product_stays_what_it_was(form: str) -> None:
    operator, attributes, shape, weights, bias = FORMS[form]
    constants = {"w": RANDOM.normal(size=weights)} | ({} if bias is None else {"b": RANDOM.normal(size=bias)})
    node = helper.make_node(operator, ["x", *constants], ["y"], **attributes)
    x = RANDOM.normal(size=shape).astype(np.float32)
    left = np.swapaxes(x, -1, -2) if attributes.get("transA") else x
    model = network(node, shape, [*left.shape[:-1], 3], **constants)
    rewritten = without_float32_gemm(model)
    floats = [each for each in rewritten.graph.node if each.op_type in ("MatMul", "Gemm")]
    in_half = form in ("Gemm, scaled", "Gemm, transposed input", "three dimensions")
    assert len(floats) == in_half  # those that are left are in float16
    assert np.allclose(run(rewritten, x=x), run(model, x=x), atol=2e-2 if in_half else 1e-5)


def test_a_network_without_products_is_left_alone() -> None:
    model = network(helper.make_node("Relu", ["x"], ["y"]), [1, 4], [1, 4])
    assert without_float32_gemm(model) is model


@pytest.fixture(scope="module", params=[LRASPP, SegFormer], ids=["LRASPP", "SegFormer"])
def wrapped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's exporter has notes of its own
        write_torch_network(request.param, folder / "net.onnx")
    options = WrapOptions(
        network=folder / "net.onnx",
        output=folder / "net.fp32.onnx",
        classes="cityscapes-19",
        normalise="imagenet",
        licence="MIT",
    )
    return wrap(options).file


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Painted scenes of the networks' size, with 29 classes, of which theirs are 19."""
    folder, size = tmp_path_factory.mktemp("streets"), Size(HEIGHT, WIDTH)
    write_synthetic(SynthOptions(target=folder / "source", train=0, val=160, size=size, seconds=0))
    prepare(PrepareOptions(source=folder / "source", target=folder / "dataset", sizes=(size,)))
    return folder / "dataset"


def test_networks_of_others_are_built_in_every_precision(wrapped: Path, streets: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    options = ExportOptions(
        checkpoint=wrapped, output=tmp_path, engine="rtx", calibration=streets, calibration_frames=32, verify=False
    )
    exported = export(options, SILENT).exported
    assert [row.precision for row in exported] == ["fp32", "fp16", "int8"]
    for row in exported:
        assert row.engine is not None
        manifest = read_manifest(row.engine)
        assert (manifest.spec.source, manifest.spec.licence) == ("net.onnx", "MIT")
        assert row.agreement.equal_pixels > 0.8


def test_an_engine_without_labelled_frames_has_no_miou_in_its_manifest(wrapped: Path, tmp_path: Path) -> None:
    """Generated scenes have 29 classes, and are no truth for 19."""
    pytest.importorskip("tensorrt_rtx")
    options = ExportOptions(checkpoint=wrapped, precisions=("fp32",), output=tmp_path, engine="rtx")
    (row,) = export(options, SILENT).exported
    assert row.engine is not None
    verification = read_manifest(row.engine).verification
    assert verification is not None
    assert (verification.miou, verification.miou_change) == (None, None)
    assert verification.equal_pixels > 0.99
