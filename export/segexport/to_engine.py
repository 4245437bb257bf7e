"""An ONNX file -> a TensorRT engine and its manifest. Needs no PyTorch, and with TensorRT-RTX no GPU."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from segdata.errors import EdgeSegError, InputError, MissingDependencyError
from segdata.files import replacing, sha256_of
from segexport.contract import check_contract, precision_of
from segrun.manifest import EngineManifest, manifest_path
from segrun.tensorrt_library import TensorRT, collecting_logger


@dataclass(frozen=True)
class Target:
    """The GPU an engine is for: in words, and as a compute capability such as "7.5"."""

    description: str
    compute_capability: str

    @property
    def tag(self) -> str:
        """How file names say it: sm75."""
        return "sm" + self.compute_capability.replace(".", "")


def engine_path(onnx_file: Path, target: Target) -> Path:
    """Return where the engine of an ONNX file goes: NAME.sm75.engine beside NAME.onnx."""
    return onnx_file.with_name(f"{onnx_file.stem}.{target.tag}.engine")


def choose_target(library: TensorRT, compute_capability: str) -> Target:
    """Return what `library` builds for here: any named capability with TensorRT-RTX, else the GPU of this machine.

    Raises InputError if TensorRT-RTX does not know the capability, or if this machine's GPU has another one;
    MissingDependencyError if TensorRT finds no GPU.
    """
    if library.flavour == "tensorrt-rtx":
        _capability_of(library, compute_capability)
        return Target(f"any GPU of compute capability {compute_capability}", compute_capability)
    from segrun.pycuda_device import first_device

    name, found = first_device()
    if found != compute_capability:
        raise InputError(
            f"got --cc {compute_capability} but this machine's {name} has {found}, and TensorRT builds for the GPU at "
            f"hand: use --cc {found}, or TensorRT-RTX (--engine rtx)"
        )
    return Target(name, found)


def build_engine(
    library: TensorRT, onnx_file: Path, target: Target, calibration_sha256: str | None, rebuild: str
) -> Path:
    """Build `onnx_file` for `target`, write engine and manifest beside it, and return the engine's path.

    The network is strongly typed: the precision is what the ONNX says. Raises EdgeSegError, naming node and reason,
    if TensorRT cannot read or build it; nothing is written then.
    """
    model = onnx.load(onnx_file)
    spec = check_contract(model)
    plan = _build_plan(library, onnx_file, target)
    path = engine_path(onnx_file, target)
    with replacing(path) as temporary:
        temporary.write_bytes(plan)
    manifest = EngineManifest(
        engine_sha256=sha256_of(path),
        onnx=onnx_file.name,
        onnx_sha256=sha256_of(onnx_file),
        spec=spec,
        precision=precision_of(model),
        flavour=library.flavour,
        version=library.version,
        target=target.description,
        compute_capability=target.compute_capability,
        calibration_sha256=calibration_sha256,
        verified_on="none: built, not run",
        rebuild=rebuild,
    )
    with replacing(manifest_path(path)) as temporary:
        temporary.write_text(manifest.to_json())
    return path


def _build_plan(library: TensorRT, onnx_file: Path, target: Target) -> bytes:
    trt: Any = library.module
    logger = collecting_logger(library)
    builder = trt.Builder(logger)
    if not builder:
        raise MissingDependencyError(f"TensorRT cannot start a builder: {logger.take_errors()}")
    # TensorRT 11 and TensorRT-RTX are always strongly typed and accept the flag; TensorRT 10 needs it.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx_file.read_bytes()):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        reasons = "; ".join(f"node {error.node_name()}: {error.desc()}" for error in errors)
        raise EdgeSegError(f"{onnx_file}: TensorRT cannot read it: {reasons or logger.take_errors()}")
    config = builder.create_builder_config()
    if library.flavour == "tensorrt-rtx":
        config.num_compute_capabilities = 1
        config.set_compute_capability(_capability_of(library, target.compute_capability), 0)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EdgeSegError(f"{onnx_file}: TensorRT cannot build it: {logger.take_errors()}")
    return bytes(plan)


def _capability_of(library: TensorRT, compute_capability: str) -> Any:  # noqa: ANN401 - an enum of the library
    known = {
        f"{name[2:-1]}.{name[-1]}": value
        for name, value in library.module.ComputeCapability.__members__.items()
        if name.startswith("SM")
    }
    if compute_capability not in known:
        choices = ", ".join(sorted(known, key=float))
        raise InputError(f"got compute capability {compute_capability!r}, need one of {choices}")
    return known[compute_capability]
