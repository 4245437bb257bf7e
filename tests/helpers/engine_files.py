"""Engines and their manifests, as seg-export writes them."""

from pathlib import Path
from typing import Any

from helpers.simulated_tensorrt import VERSION
from segdata.files import sha256_of
from segdata.labels import CITYSCAPES_29
from segdata.spec import ModelSpec
from segrun.runners.tensorrt.manifest import EngineManifest, manifest_path

REBUILD = "seg-export small.safetensors --fp32 -o out --cc 7.5"


def toy_spec(height: int, width: int) -> ModelSpec:
    return ModelSpec(height, width, CITYSCAPES_29.name, CITYSCAPES_29.names, CITYSCAPES_29.colours, "toy", {})


def write_engine(path: Path, spec: ModelSpec, plan: bytes = b"a plan", **entries: Any) -> Path:  # noqa: ANN401
    """Write `plan` to `path` and a valid manifest beside it, with `entries` changed."""
    path.write_bytes(plan)
    sound: dict[str, Any] = {
        "engine_sha256": sha256_of(path),
        "onnx": "small.fp32.onnx",
        "onnx_sha256": "0" * 64,
        "spec": spec,
        "precision": "fp32",
        "flavour": "tensorrt",
        "version": VERSION,
        "target": "Simulated GTX 1660 Ti",
        "compute_capability": "7.5",
        "calibration_sha256": None,
        "verification": None,
        "verified_on": "none: built, not run",
        "rebuild": REBUILD,
    }
    manifest_path(path).write_text(EngineManifest(**(sound | entries)).to_json())
    return path
