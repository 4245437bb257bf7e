"""Whether this machine can run an artefact, and why: by what is installed, without loading it."""

import importlib.metadata
import importlib.util
from dataclasses import dataclass

from segdata.errors import MissingDependencyError
from segrun.runners.tensorrt.driver import first_device
from segrun.runners.tensorrt.manifest import EngineManifest, Flavour, same_release


@dataclass(frozen=True)
class Compatibility:
    """Whether `runner` runs the artefact here, and the reasons, a line each."""

    runner: str
    runs: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Library:
    """`module` is what is imported, `distributions` are the packages that may contain it."""

    title: str
    module: str
    distributions: tuple[str, ...]
    install: str


_OPENVINO = _Library("OpenVINO", "openvino", ("openvino",), "pip install edgeseg")
_ONNX_RUNTIME = _Library(
    "ONNX Runtime", "onnxruntime", ("onnxruntime", "onnxruntime-gpu"), "pip install 'edgeseg[export]'"
)
_TENSORRT: dict[Flavour, _Library] = {
    "tensorrt": _Library(
        "TensorRT", "tensorrt", ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"), "pip install 'edgeseg[tensorrt]'"
    ),
    "tensorrt-rtx": _Library(
        "TensorRT-RTX",
        "tensorrt_rtx",
        ("tensorrt-rtx", "tensorrt-rtx-cu13", "tensorrt-rtx-cu12"),
        "pip install 'edgeseg[rtx]'",
    ),
}


def onnx_compatibility() -> tuple[Compatibility, ...]:
    """Return what runs an ONNX file here: OpenVINO and ONNX Runtime, one of which is enough."""
    return tuple(_of_library(library) for library in (_OPENVINO, _ONNX_RUNTIME))


def engine_compatibility(manifest: EngineManifest) -> tuple[Compatibility, ...]:
    """Return whether the TensorRT at hand and this machine's GPU are those the engine was built for."""
    library = _TENSORRT[manifest.flavour]
    version = _installed(library)
    if version is None:
        fits, reason = False, _missing(library)
    else:
        fits = same_release(version, manifest.version)
        reason = f"{library.title} {version} is installed, " + (
            "which built it" if fits else f"{manifest.version} built it; build it again with: {manifest.rebuild}"
        )
    gpu_fits, gpu_reason = _of_gpu(manifest)
    return (Compatibility(library.title, fits and gpu_fits, (reason, gpu_reason)),)


def checkpoint_compatibility() -> tuple[Compatibility, ...]:
    """Say that a checkpoint is exported before it is run."""
    return (Compatibility("seg-run", False, ("a checkpoint is trained and exported, not run; give it to seg-export",)),)


def _of_library(library: _Library) -> Compatibility:
    version = _installed(library)
    if version is None:
        return Compatibility(library.title, False, (_missing(library),))
    return Compatibility(library.title, True, (f"{library.title} {version} is installed",))


def _of_gpu(manifest: EngineManifest) -> tuple[bool, str]:
    try:
        name, found, _ = first_device()
    except MissingDependencyError as error:
        return False, f"no GPU found: {error}"
    if found != manifest.compute_capability:
        wanted = manifest.compute_capability
        return False, f"the GPU, {name}, has compute capability {found}, the engine is for {wanted}"
    other = manifest.flavour == "tensorrt" and name != manifest.target
    caution = f"; built on {manifest.target}, whose fastest kernels are others" if other else ""
    return True, f"the GPU, {name}, has compute capability {found}{caution}"


def _installed(library: _Library) -> str | None:
    """Return the version that is installed, None if the module cannot be found."""
    if importlib.util.find_spec(library.module) is None:
        return None
    for distribution in library.distributions:
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "of unknown version"


def _missing(library: _Library) -> str:
    return f"{library.module} is not installed; run: {library.install}"
