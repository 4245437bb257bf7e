"""`seg-export inspect`: everything about an artefact, and one line for a file that is none."""

import dataclasses
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import pytest
from rich.console import Console

from segdata.errors import ContractError, InputError, MissingDependencyError
from segdata.files import sha256_of
from segdata.spec import SPEC_KEY, Precision
from segexport.graph.cost import cost_of_onnx
from segexport.inspect import compatibility
from segexport.inspect.inspection import inspect_file, render, to_json
from segrun.runners.tensorrt.driver import GpuFacts, first_device
from segrun.runners.tensorrt.manifest import EngineManifest, Verification, manifest_path
from segtrain.report.summary import cost_of

if TYPE_CHECKING:
    from conftest import Artefacts, Refused

_GTX_1660_TI = GpuFacts("NVIDIA GeForce GTX 1660 Ti", "7.5", "0000:01:00.0")


@pytest.fixture
def engine(artefacts: "Artefacts", tmp_path: Path) -> Path:
    """What TensorRT-RTX makes of the int8 model, with its manifest and the model beside it."""
    trt = pytest.importorskip("tensorrt_rtx", reason="the builder is tensorrt_rtx, which is not installed")
    onnx_file = tmp_path / "small.int8.onnx"
    onnx_file.write_bytes(artefacts.onnx["int8"].read_bytes())
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    assert trt.OnnxParser(network, logger).parse(onnx_file.read_bytes())
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM75, 0)
    path = tmp_path / "small.int8.sm75.engine"
    path.write_bytes(bytes(builder.build_serialized_network(network, config)))
    write_manifest(path, artefacts, str(trt.__version__))
    return path


def write_manifest(engine: Path, artefacts: "Artefacts", version: str) -> None:
    manifest = EngineManifest(
        engine_sha256=sha256_of(engine),
        onnx="small.int8.onnx",
        onnx_sha256=sha256_of(artefacts.onnx["int8"]),
        spec=artefacts.spec,
        precision="int8",
        flavour="tensorrt-rtx",
        version=version,
        target="any GPU of compute capability 7.5",
        compute_capability="7.5",
        calibration_sha256="0" * 64,
        verification=Verification("32 generated scenes", None, "ONNX Runtime", 0.9912, 0.2740, -0.0003, True),
        verified_on="none: built, not run",
        rebuild="seg-export small.safetensors --int8 --engine rtx --cc 7.5",
    )
    manifest_path(engine).write_text(manifest.to_json())


def change_manifest(engine: Path, **changes: object) -> None:
    path = manifest_path(engine)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def shown(path: Path, width: int = 120) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(render(inspect_file(path)))
    return capture.get()


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_an_onnx_file_tells_what_it_is(artefacts: "Artefacts", precision: Precision) -> None:
    path = artefacts.onnx[precision]
    found = inspect_file(path)
    assert (found.kind, found.precision, found.batch, found.manifest) == ("onnx", precision, 1, None)
    assert (found.size, found.sha256) == (path.stat().st_size, sha256_of(path))
    assert found.spec == artefacts.spec
    assert found.graph == cost_of_onnx(onnx.load(path))
    assert found.macs == cost_of(artefacts.spec).macs
    assert found.calibration_frames == (32 if precision == "int8" else 0)


def test_an_onnx_file_runs_with_what_is_installed(artefacts: "Artefacts", monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime
    import openvino

    found = inspect_file(artefacts.onnx["fp32"]).compatibility
    assert [(item.runner, item.runs) for item in found] == [("OpenVINO", True), ("ONNX Runtime", True)]
    assert openvino.__version__.startswith(found[0].reasons[0].split()[1])
    assert found[1].reasons == (f"ONNX Runtime {onnxruntime.__version__} is installed",)

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "openvino" else find_spec(name))
    without = inspect_file(artefacts.onnx["fp32"]).compatibility[0]
    assert not without.runs
    assert without.reasons == ("openvino is not installed; run: pip install edgeseg",)


def test_a_checkpoint_tells_its_spec_and_cost(artefacts: "Artefacts") -> None:
    found = inspect_file(artefacts.checkpoint)
    expected = cost_of(artefacts.spec)
    assert (found.kind, found.precision, found.spec, found.graph) == ("checkpoint", None, artefacts.spec, None)
    assert (found.parameters, found.macs) == (expected.parameters, expected.macs)
    assert not found.compatibility[0].runs
    assert "seg-export" in found.compatibility[0].reasons[0]


def test_an_engine_tells_what_it_was_made_from(engine: Path) -> None:
    found = inspect_file(engine)
    assert (found.kind, found.precision, found.sha256) == ("engine", "int8", sha256_of(engine))
    assert found.manifest is not None
    assert (found.manifest.flavour, found.manifest.compute_capability) == ("tensorrt-rtx", "7.5")
    source = inspect_file(engine.with_name("small.int8.onnx"))
    assert (found.graph, found.macs, found.calibration_frames) == (source.graph, source.macs, 32)


def test_an_engine_without_the_onnx_file_it_was_built_from_tells_the_rest(engine: Path) -> None:
    onnx_file = engine.with_name("small.int8.onnx")
    onnx_file.write_bytes(onnx_file.read_bytes() + b"\x08\x09")
    changed = inspect_file(engine)
    onnx_file.unlink()
    gone = inspect_file(engine)
    assert changed == gone
    assert (gone.graph, gone.batch, gone.macs, gone.calibration_frames) == (None, None, None, None)
    assert gone.precision == "int8"
    assert "Layers" not in shown(engine)


@pytest.mark.parametrize("beside", ["../small.int8.onnx", "", "/"])
def test_a_manifest_does_not_lead_out_of_its_folder(engine: Path, tmp_path: Path, beside: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    moved = engine.rename(inner / engine.name)
    manifest_path(engine).rename(manifest_path(moved))
    change_manifest(moved, onnx=beside)
    assert inspect_file(moved).graph is None


def test_an_engine_runs_where_library_and_gpu_are_those_it_was_built_for(
    engine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compatibility, "first_device", lambda: _GTX_1660_TI)
    assert inspect_file(engine).compatibility[0].runs

    change_manifest(engine, version="1.1.0.26")
    other_version = inspect_file(engine).compatibility[0]
    assert not other_version.runs
    assert "1.1.0.26 built it; build it again with: seg-export small.safetensors" in other_version.reasons[0]

    change_manifest(engine, version=_version_of(engine), compute_capability="8.9")
    other_gpu = inspect_file(engine).compatibility[0]
    assert not other_gpu.runs
    assert other_gpu.reasons[1] == (
        "the GPU, NVIDIA GeForce GTX 1660 Ti, has compute capability 7.5, the engine is for 8.9"
    )


def _version_of(engine: Path) -> str:
    """The version that is installed, as the manifest must have it to fit."""
    reason = inspect_file(engine).compatibility[0].reasons[0]
    return reason.split()[1]


def test_an_engine_of_tensorrt_names_the_package_that_is_missing(engine: Path) -> None:
    if find_spec("tensorrt"):
        pytest.skip("tensorrt is installed here")
    change_manifest(engine, flavour="tensorrt", version="10.16.1.11")
    found = inspect_file(engine).compatibility[0]
    assert (found.runner, found.runs) == ("TensorRT", False)
    assert found.reasons[0] == "tensorrt is not installed; run: pip install 'edgeseg[tensorrt]'"


def test_a_machine_without_a_gpu_runs_no_engine_and_says_why(engine: Path) -> None:
    try:
        first_device()
    except MissingDependencyError as error:
        expected = f"no GPU found: {error}"
    else:
        pytest.skip("there is a GPU here")
    found = inspect_file(engine).compatibility[0]
    assert not found.runs
    assert "which built it" in found.reasons[0]
    assert found.reasons[1] == expected


def test_onnx_and_engines_are_inspected_without_torch(engine: Path) -> None:
    """The device that builds engines has no training library."""
    code = """
import sys
for name in ("torch", "safetensors", "openvino", "onnxruntime", "tensorrt_rtx"):
    sys.modules[name] = None
from pathlib import Path
from segexport.inspect.inspection import inspect_file, render, to_json
for path in sys.argv[1:]:
    found = inspect_file(Path(path))
    render(found), print(to_json(found))
"""
    files = [engine.with_name("small.int8.onnx"), engine]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"format": 1') == 2 + 1  # the manifest has a format of its own


def test_the_tables_show_the_facts_as_they_are(engine: Path, artefacts: "Artefacts") -> None:
    change_manifest(engine, flavour="tensorrt", rebuild="seg-export [odd].safetensors")
    text = shown(engine)
    for fact in (
        str(engine.name),
        sha256_of(engine),
        "98.7% of the MACs, 17 convolutions",
        "32 frames",
        "seg-export [odd].safetensors",
        "cityscapes-29, 29 classes",
        "99.12% equal pixels, mIoU 27.40 (-0.03)",
        "on 32 generated scenes with ONNX Runtime",
        "conv_0",
        "does not run",
    ):
        assert fact in text
    if not find_spec("tensorrt"):
        assert "edgeseg[tensorrt]" in text
    assert "chosen at export" in shown(artefacts.checkpoint)


def test_tables_fit_a_narrow_terminal_and_keep_the_hash(artefacts: "Artefacts") -> None:
    lines = shown(artefacts.onnx["int8"], width=60).splitlines()
    assert max(len(line) for line in lines) <= 60
    assert sha256_of(artefacts.onnx["int8"]) in "".join("".join(lines).split())


def test_json_says_all_of_it_under_names_that_stay(engine: Path, artefacts: "Artefacts") -> None:
    names = [
        "format", "path", "kind", "size", "sha256", "spec", "precision", "batch", "parameters", "macs",
        "calibration_frames", "confidence", "graph", "manifest", "compatibility",
    ]  # fmt: skip
    files = [artefacts.checkpoint, artefacts.onnx["int8"], engine]
    of_checkpoint, of_onnx, of_engine = (json.loads(to_json(inspect_file(path))) for path in files)
    for found in (of_checkpoint, of_onnx, of_engine):
        assert list(found) == names
        assert found["format"] == 1
        assert found["spec"] == json.loads(artefacts.spec.to_json())
        assert list(found["compatibility"][0]) == ["runner", "runs", "reasons"]
    assert of_checkpoint["graph"] is None
    assert list(of_onnx["graph"]) == [
        "layers", "parameters", "macs", "int8_share", "int8_convolutions", "lone_pairs"
    ]  # fmt: skip
    assert set(of_onnx["graph"]["layers"][0]) == {"name", "operator", "precision", "macs", "values", "parameters"}
    assert of_onnx["manifest"] is None
    manifest = json.loads(manifest_path(engine).read_text())
    del manifest["spec"]
    assert of_engine["manifest"] == manifest


def test_a_missing_file_and_another_suffix_are_refused(refused: "Refused", tmp_path: Path) -> None:
    with refused("no such file"):
        inspect_file(tmp_path / "none.onnx")
    with refused("no such file"):
        (tmp_path / "folder.onnx").mkdir()
        inspect_file(tmp_path / "folder.onnx")
    for name, found in (("model.pt", r"got a \.pt"), ("model", "got a file without suffix")):
        (tmp_path / name).write_bytes(b"x")
        with refused(f"{found}, need .onnx, .engine, .safetensors"):
            inspect_file(tmp_path / name)


def test_garbage_is_refused_whatever_its_suffix(refused: "Refused", tmp_path: Path) -> None:
    for suffix, pattern, error in (
        (".onnx", "not an ONNX file", InputError),
        (".safetensors", "not a safetensors file", InputError),
        (".engine", "no manifest", ContractError),
    ):
        path = tmp_path / f"garbage{suffix}"
        path.write_bytes(b"garbage" * 100)
        with refused(pattern, error):
            inspect_file(path)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_an_onnx_file_cut_short_is_refused(artefacts: "Artefacts", tmp_path: Path, share: float) -> None:
    data = artefacts.onnx["fp32"].read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises((InputError, ContractError), match=r"cut\.onnx: ") as refusal:
        inspect_file(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("before", "text"),
    [(b"\x1a\x06", b"conv_3"), (b"edgeseg.precision\x12\x04", b"int8")],
    ids=["the name of a node", "metadata"],
)
def test_an_onnx_file_with_damaged_text_is_refused(
    refused: "Refused", artefacts: "Artefacts", tmp_path: Path, before: bytes, text: bytes
) -> None:
    data = artefacts.onnx["int8"].read_bytes()
    assert before + text in data
    path = tmp_path / "damaged.onnx"
    path.write_bytes(data.replace(before + text, before + b"\xff" + text[1:]))
    with refused(r"damaged\.onnx: damaged, its names are not text"):
        inspect_file(path)


def test_an_onnx_file_of_another_tool_is_refused(refused: "Refused", artefacts: "Artefacts", tmp_path: Path) -> None:
    model = onnx.load(artefacts.onnx["fp32"])
    entry = next(entry for entry in model.metadata_props if entry.key == SPEC_KEY)
    model.metadata_props.remove(entry)
    path = tmp_path / "foreign.onnx"
    onnx.save(model, path)
    with refused(r"foreign\.onnx: an ONNX file without edgeseg's model spec", ContractError):
        inspect_file(path)


def test_a_graph_with_a_loose_end_is_refused(refused: "Refused", artefacts: "Artefacts", tmp_path: Path) -> None:
    model = onnx.load(artefacts.onnx["fp32"])
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    path = tmp_path / "loose.onnx"
    convolution.input[1] = "nowhere"
    onnx.save(model, path)
    with refused(r"loose\.onnx: Conv 'conv_0' reads 'nowhere', which nothing before it makes", ContractError):
        inspect_file(path)
    del convolution.input[1:]
    onnx.save(model, path)
    with refused(r"loose\.onnx: Conv 'conv_0' has 1 inputs, need 2 to 3", ContractError):
        inspect_file(path)


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "weights.bin"])
def test_weights_in_another_file_are_refused_unread(
    refused: "Refused", artefacts: "Artefacts", tmp_path: Path, location: str
) -> None:
    model = onnx.load(artefacts.onnx["fp32"])
    tensor = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    path = tmp_path / "pointing.onnx"
    path.write_bytes(model.SerializeToString())
    (tmp_path / "weights.bin").write_bytes(bytes(1 << 20))
    with refused(f"its weights are in '{location}', need one file", ContractError):
        inspect_file(path)


def test_an_engine_that_does_not_fit_its_manifest_is_refused(refused: "Refused", engine: Path) -> None:
    engine.write_bytes(engine.read_bytes() + b"x")
    with refused("its SHA-256 is .* its manifest says", ContractError):
        inspect_file(engine)
    manifest_path(engine).unlink()
    with refused("no manifest small.int8.sm75.engine.json beside it", ContractError):
        inspect_file(engine)


def test_an_inspection_cannot_be_changed(artefacts: "Artefacts") -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        inspect_file(artefacts.onnx["fp32"]).size = 0  # type: ignore[misc]
