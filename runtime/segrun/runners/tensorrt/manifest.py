"""The manifest beside an engine: its origin, and the proof that the file is unchanged."""

import re
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Len
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from segdata.errors import ContractError
from segdata.files import sha256_of
from segdata.spec import ModelSpec, Precision
from segdata.text import first_problem

Flavour = Literal["tensorrt", "tensorrt-rtx"]

_Word = Annotated[str, Len(0, 300)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Verification:
    """How the engine's ONNX compares with the float32 model: what it was run on and with, and the figures.

    `frames_sha256` is None for generated frames, `miou` and its change where those have no labels of these classes.
    `enforced` False means that the file was kept whatever the result.
    """

    frames: str
    frames_sha256: str | None
    runners: str
    equal_pixels: float
    miou: float | None
    miou_change: float | None
    enforced: bool


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class EngineManifest:
    """What `NAME.engine.json` holds.

    `onnx` is the name of the ONNX file the engine was built from; `calibration_sha256` the hash of the calibration
    frames' names, None except for INT8; `verification` the proof of the ONNX file; `verified_on` the device that ran
    the engine, or why none did; `rebuild` the command that makes it again; `calibration_frames` the `frame_id` of each
    frame that calibrated its INT8; `weights` the SHA-256 of the checkpoint.
    """

    engine_sha256: _Word
    onnx: _Word
    onnx_sha256: _Word
    spec: ModelSpec
    precision: Precision
    flavour: Flavour
    version: _Word
    target: _Word
    compute_capability: _Word
    calibration_sha256: _Word | None
    verified_on: str
    rebuild: Annotated[str, Len(0, 4096)]
    verification: Verification | None = None
    calibration_frames: tuple[str, ...] = ()
    weights: _Word = ""
    format: Literal[1] = 1

    def to_json(self) -> str:
        """Return the manifest as indented JSON."""
        return TypeAdapter(EngineManifest).dump_json(self, indent=1).decode()


def same_release(version: str, other: str) -> bool:
    """Return whether two versions differ at most in their packaging, as 10.14.1.48 and 10.14.1.48.post1 do."""
    one, two = (re.match(r"[0-9.]*[0-9]|", each) for each in (version, other))
    return one is not None and two is not None and one[0] == two[0]


def manifest_path(engine: Path) -> Path:
    """Return where the manifest of `engine` is."""
    return engine.with_name(engine.name + ".json")


def read_manifest(engine: Path, trust: bool = False) -> EngineManifest:
    """Return the manifest of `engine` after comparing the engine's bytes with it.

    A plan is executable content. Raises ContractError if the manifest is missing, is not one, or is of other bytes;
    with `trust`, other bytes are accepted. The manifest itself is always needed: it holds the model's spec.
    """
    path = manifest_path(engine)
    if not path.is_file():
        raise ContractError(f"{engine}: no manifest {path.name} beside it; build the engine again with seg-export")
    try:
        manifest = TypeAdapter(EngineManifest).validate_json(path.read_bytes())
    except OSError as error:
        raise ContractError(f"{path}: cannot be read ({error.strerror or error}); build the engine again") from None
    except ValidationError as error:
        raise ContractError(f"{path}: {first_problem(error)}; build the engine again with seg-export") from None
    if trust:
        return manifest
    try:
        found = sha256_of(engine)
    except OSError as error:
        raise ContractError(f"{engine}: cannot be read ({error.strerror or error}); build it again") from None
    if found != manifest.engine_sha256:
        raise ContractError(
            f"{engine}: its SHA-256 is {found[:12]}..., its manifest says {manifest.engine_sha256[:12]}...; "
            f"build it again with: {manifest.rebuild}"
        )
    return manifest
