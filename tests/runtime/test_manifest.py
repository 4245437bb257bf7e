"""The manifest beside an engine: a plan that is not the one described there is never loaded."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers.engine_files import write_engine
from segdata.errors import ContractError
from segdata.files import sha256_of
from segrun.runners.open import open_runner
from segrun.runners.tensorrt.manifest import manifest_path, read_manifest

if TYPE_CHECKING:
    from conftest import Artefacts

Refused = Callable[..., AbstractContextManager[None]]

REBUILD = "seg-export small.safetensors --int8 -o out --engine rtx --cc 7.5"
PLAN = b"a plan is opaque bytes to everyone but TensorRT"


@pytest.fixture
def engine(artefacts: "Artefacts", tmp_path: Path) -> Path:
    """An engine with a sound manifest beside it."""
    return write_engine(
        tmp_path / "small.int8.sm75.engine",
        artefacts.spec,
        PLAN,
        onnx="small.int8.onnx",
        precision="int8",
        flavour="tensorrt-rtx",
        version="1.2.0.54",
        target="any GPU of compute capability 7.5",
        calibration_sha256="c" * 64,
        rebuild=REBUILD,
    )


def change(engine: Path, **entries: object) -> None:
    path = manifest_path(engine)
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_a_manifest_comes_back_as_it_was_written(engine: Path, artefacts: "Artefacts") -> None:
    manifest = read_manifest(engine)
    assert manifest.spec == artefacts.spec
    assert (manifest.onnx, manifest.precision, manifest.rebuild) == ("small.int8.onnx", "int8", REBUILD)
    assert json.loads(manifest.to_json()) == json.loads((engine.parent / f"{engine.name}.json").read_text())


def test_an_engine_of_another_version_is_refused_before_anything_is_loaded(engine: Path, refused: Refused) -> None:
    said = f"built with tensorrt-rtx 1.2.0.54, but here is tensorrt-rtx 1.7.*; .*build it again with: {REBUILD}$"
    with refused(said.replace("1.7", version("tensorrt-rtx")), ContractError):
        open_runner(engine)


def test_other_bytes_than_the_manifest_says_are_refused(engine: Path, refused: Refused) -> None:
    promised = sha256_of(engine)
    engine.write_bytes(PLAN + b"!")
    found = sha256_of(engine)
    said = f"its SHA-256 is {found[:12]}.*its manifest says {promised[:12]}.*build it again with: {REBUILD}$"
    with refused(said, ContractError):
        open_runner(engine)


def test_other_bytes_are_let_through_if_they_are_trusted(engine: Path, refused: Refused) -> None:
    engine.write_bytes(PLAN + b"!")
    assert read_manifest(engine, trust=True).rebuild == REBUILD
    with refused("built with tensorrt-rtx 1.2.0.54, but here is", ContractError):
        open_runner(engine, trust=True)


def test_an_engine_without_manifest_is_refused(engine: Path, refused: Refused) -> None:
    manifest_path(engine).unlink()
    with refused(f"no manifest {engine.name}.json beside it; build the engine again with seg-export", ContractError):
        open_runner(engine)


def test_trust_does_not_replace_the_manifest(engine: Path, refused: Refused) -> None:
    """Only the manifest has the model's spec."""
    manifest_path(engine).unlink()
    with refused(f"no manifest {engine.name}.json beside it", ContractError):
        open_runner(engine, trust=True)


@pytest.mark.parametrize("content", [b"", b"not JSON", b"[]", b"{}", b"\xff\xfe\x00"])
def test_a_manifest_that_is_none_is_refused(engine: Path, refused: Refused, content: bytes) -> None:
    manifest_path(engine).write_bytes(content)
    with refused(f"{engine.name}.json: .*; build the engine again with seg-export", ContractError):
        open_runner(engine)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("comment", "an unknown key"),
        ("format", 2),
        ("precision", "fp8"),
        ("flavour", "openvino"),
        ("spec", {"height": 64}),
        ("rebuild", None),
    ],
)
def test_a_manifest_that_says_something_unknown_is_refused(
    engine: Path, refused: Refused, key: str, value: object
) -> None:
    change(engine, **{key: value})
    with refused(f"{engine.name}.json: {key}.*; build the engine again with seg-export", ContractError):
        open_runner(engine)
