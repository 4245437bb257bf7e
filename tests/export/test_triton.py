"""The Triton model repository: its configuration matches the artefact's inputs and outputs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import pytest

from segdata.errors import ContractError
from segdata.files import sha256_of
from segexport.graph.to_onnx import to_onnx
from segexport.triton import write_repository
from segrun.runners.tensorrt.manifest import EngineManifest, manifest_path

if TYPE_CHECKING:
    from conftest import Artefacts, Refused


@pytest.fixture
def engine(artefacts: "Artefacts", tmp_path: Path) -> Path:
    """A TensorRT engine. It can only be built on its GPU, but Triton's folder needs only its bytes."""
    onnx_file = tmp_path / "small.int8.onnx"
    onnx_file.write_bytes(artefacts.onnx["int8"].read_bytes())
    path = tmp_path / "small.int8.sm75.engine"
    path.write_bytes(b"plan" * 100)
    manifest = EngineManifest(
        engine_sha256=sha256_of(path),
        onnx=onnx_file.name,
        onnx_sha256=sha256_of(onnx_file),
        spec=artefacts.spec,
        precision="int8",
        flavour="tensorrt",
        version="10.16.1.11",
        target="NVIDIA GeForce GTX 1660 Ti",
        compute_capability="7.5",
        calibration_sha256=None,
        verification=None,
        verified_on="none: built, not run",
        rebuild="seg-export small.safetensors --int8",
    )
    manifest_path(path).write_text(manifest.to_json())
    return path


def change_manifest(engine: Path, **changes: object) -> None:
    path = manifest_path(engine)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_an_onnx_file_becomes_a_model_of_onnx_runtime(artefacts: "Artefacts", tmp_path: Path) -> None:
    made = write_repository(artefacts.onnx["int8"], tmp_path / "models")
    assert made == tmp_path / "models" / "small_int8"
    assert files_in(tmp_path / "models") == {
        f"small_int8/{name}" for name in ("config.pbtxt", "labels.txt", "1/model.onnx")
    }
    assert (made / "1" / "model.onnx").read_bytes() == artefacts.onnx["int8"].read_bytes()
    assert (made / "config.pbtxt").read_text().split("\n", 1)[1] == (
        'name: "small_int8"\n'
        'platform: "onnxruntime_onnx"\n'
        "max_batch_size: 0\n"
        "input [\n"
        "  {\n"
        '    name: "frames"\n'
        "    data_type: TYPE_UINT8\n"
        "    dims: [1, 64, 64, 3]\n"
        "  }\n"
        "]\n"
        "output [\n"
        "  {\n"
        '    name: "labels"\n'
        "    data_type: TYPE_UINT8\n"
        "    dims: [1, 64, 64]\n"
        '    label_filename: "labels.txt"\n'
        "  }\n"
        "]\n"
    )


def test_line_i_of_the_labels_is_class_i(artefacts: "Artefacts", tmp_path: Path) -> None:
    made = write_repository(artefacts.onnx["fp32"], tmp_path)
    assert (made / "labels.txt").read_text().splitlines() == list(artefacts.spec.class_names)


def test_an_engine_becomes_a_plan(engine: Path, tmp_path: Path) -> None:
    made = write_repository(engine, tmp_path / "models")
    assert made.name == "small_int8_sm75"
    assert (made / "1" / "model.plan").read_bytes() == engine.read_bytes()
    config = (made / "config.pbtxt").read_text()
    assert config.startswith("# Needs the TensorRT that built it, 10.16.1.11, and compute capability 7.5.\n")
    assert 'name: "small_int8_sm75"\nplatform: "tensorrt_plan"\nmax_batch_size: 0\n' in config
    assert "dims: [1, 64, 64, 3]" in config


def test_the_batch_is_the_artefact_s(artefacts: "Artefacts", tmp_path: Path) -> None:
    path = tmp_path / "four.onnx"
    onnx.save(to_onnx(artefacts.network, artefacts.spec, "fp32", batch=4), path)
    config = (write_repository(path, tmp_path / "models") / "config.pbtxt").read_text()
    assert "dims: [4, 64, 64, 3]" in config
    assert "dims: [4, 64, 64]\n" in config


@pytest.mark.parametrize("name", ["small.int8.onnx", 'odd "\\ name.onnx', "straße.onnx"])
def test_triton_s_own_parser_reads_the_configuration(artefacts: "Artefacts", tmp_path: Path, name: str) -> None:
    grpc = pytest.importorskip("tritonclient.grpc", reason="Triton's ModelConfig is in tritonclient[grpc]")
    from google.protobuf import text_format

    path = tmp_path / name
    path.write_bytes(artefacts.onnx["int8"].read_bytes())
    made = write_repository(path, tmp_path / "models")
    found = text_format.Parse((made / "config.pbtxt").read_bytes(), grpc.model_config_pb2.ModelConfig())
    assert (found.name, found.platform, found.max_batch_size) == (made.name, "onnxruntime_onnx", 0)
    uint8 = grpc.model_config_pb2.DataType.Value("TYPE_UINT8")
    assert [(item.name, item.data_type, list(item.dims)) for item in [*found.input, *found.output]] == [
        ("frames", uint8, [1, 64, 64, 3]),
        ("labels", uint8, [1, 64, 64]),
    ]
    assert found.output[0].label_filename == "labels.txt"


def test_a_model_is_replaced_whole(artefacts: "Artefacts", tmp_path: Path) -> None:
    made = write_repository(artefacts.onnx["fp32"], tmp_path)
    (made / "stale.txt").write_text("of the last export")
    assert write_repository(artefacts.onnx["fp32"], tmp_path) == made
    assert files_in(made) == {"config.pbtxt", "labels.txt", "1/model.onnx"}


def test_an_interrupted_copy_leaves_the_last_good_model(
    artefacts: "Artefacts", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = write_repository(artefacts.onnx["fp32"], tmp_path)
    before = {name: (made / name).read_bytes() for name in files_in(made)}

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("segexport.triton._config", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_repository(artefacts.onnx["fp32"], tmp_path)
    assert {name: (made / name).read_bytes() for name in files_in(tmp_path / made.name)} == before
    assert [path.name for path in tmp_path.iterdir()] == [made.name]


def test_a_folder_that_is_no_model_of_triton_is_left_alone(
    refused: "Refused", artefacts: "Artefacts", tmp_path: Path
) -> None:
    own = tmp_path / "small_fp32" / "thesis.txt"
    own.parent.mkdir()
    own.write_text("mine")
    with refused("small_fp32: is there already and is not a Triton model"):
        write_repository(artefacts.onnx["fp32"], tmp_path)
    assert own.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_refused(refused: "Refused", artefacts: "Artefacts", tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with refused("cannot write"):
        write_repository(artefacts.onnx["fp32"], tmp_path / "file")


def test_an_engine_of_tensorrt_rtx_is_refused(refused: "Refused", engine: Path, tmp_path: Path) -> None:
    change_manifest(engine, flavour="tensorrt-rtx", version="1.7.1.116")
    with refused("an engine of TensorRT-RTX; Triton runs only those of TensorRT; give small.int8.onnx"):
        write_repository(engine, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_an_engine_without_what_it_was_built_from_is_refused(refused: "Refused", engine: Path, tmp_path: Path) -> None:
    engine.with_name("small.int8.onnx").unlink()
    with refused("build it again with: seg-export small.safetensors --int8", ContractError):
        write_repository(engine, tmp_path / "models")


def test_a_manifest_cannot_write_into_the_configuration(engine: Path, tmp_path: Path) -> None:
    change_manifest(engine, version="10.16\nmax_batch_size: 64\n#")
    config = (write_repository(engine, tmp_path / "models") / "config.pbtxt").read_text()
    assert [line for line in config.splitlines() if line.startswith("max_batch_size")] == ["max_batch_size: 0"]


def test_what_triton_does_not_run_is_refused(refused: "Refused", artefacts: "Artefacts", tmp_path: Path) -> None:
    with refused(r"got a \.safetensors, need an \.onnx or \.engine"):
        write_repository(artefacts.checkpoint, tmp_path)
    with refused("no such file"):
        write_repository(tmp_path / "none.onnx", tmp_path)
    (tmp_path / "garbage.onnx").write_bytes(b"garbage" * 10)
    with refused("not an ONNX file"):
        write_repository(tmp_path / "garbage.onnx", tmp_path)
    (tmp_path / "changed.engine").write_bytes(b"x")
    with refused("no manifest", ContractError):
        write_repository(tmp_path / "changed.engine", tmp_path)
