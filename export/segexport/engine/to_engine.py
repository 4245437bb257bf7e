"""An ONNX file -> a TensorRT engine and its manifest. Needs no PyTorch, and with TensorRT-RTX no GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segdata.errors import EdgeSegError, MissingDependencyError
from segdata.files import replacing, sha256_of
from segdata.text import printable
from segexport.engine.build_progress import BuildControl, OnProgress, interruptible, progress_monitor
from segexport.engine.settings import (
    Target,
    check_build_options,
    configure,
    open_timing_cache,
    save_timing_cache,
    set_target,
)
from segexport.graph.onnx_file import OnnxFile
from segexport.graph.without_gemm import without_float32_gemm
from segexport.options import EngineOptions
from segrun.runners.tensorrt.library import TensorRT, collecting_logger
from segrun.runners.tensorrt.manifest import EngineManifest, Verification, manifest_path

NO_GPU = "none (no GPU)"
"""What a manifest names as the device its engine was verified on while there is none."""


_TURING = "7.5"
_NO_GEMM = "FP32 GEMM is not supported"  # what TensorRT-RTX says on Turing


def engine_path(onnx_file: Path, target: Target) -> Path:
    """Return where the engine of an ONNX file goes: NAME.sm75.engine beside NAME.onnx."""
    return onnx_file.with_name(f"{onnx_file.stem}.{target.tag}.engine")


def log_path(engine_file: Path) -> Path:
    """Return where the build log of an engine goes: NAME.engine.log."""
    return engine_file.with_name(engine_file.name + ".log")


@dataclass(frozen=True)
class Provenance:
    """Where an engine's ONNX file comes from, for the manifest.

    `rebuild` is the command that makes the engine again, `calibration_sha256` the hash of the calibration frames' set,
    None but for INT8, `verification` the proof of the ONNX file.
    """

    rebuild: str
    calibration_sha256: str | None = None
    verification: Verification | None = None


def build_engine(
    library: TensorRT,
    source: OnnxFile,
    target: Target,
    options: EngineOptions,
    provenance: Provenance,
    on_progress: OnProgress = lambda phase, step, steps: None,
    log: Path | None = None,
) -> Path:
    """Build `source` for `target`, write engine and manifest beside it, and return the engine.

    The network is strongly typed: the precision is what the ONNX says. The build log, if there is one, goes to `log`,
    NAME.engine.log beside the engine if that is None. Raises EdgeSegError, naming every node that TensorRT cannot read
    and why, or what it cannot build; InputError for options that are out of range or not for this library. Ctrl-C, and
    whatever `on_progress` raises, stop the build at its next step and are raised then. Nothing but the log is written
    unless the engine was built.
    """
    check_build_options(library, options)
    path = engine_path(source.path, target)
    logger = collecting_logger(library)
    control = BuildControl(on_progress)
    with _logged(logger, (log or log_path(path)) if options.build_log else None), interruptible(control):
        plan = _build_plan(library, logger, source, target, options, control)
    with replacing(path) as temporary:
        temporary.write_bytes(plan)
    contract = source.contract
    manifest = EngineManifest(
        engine_sha256=sha256_of(path),
        onnx=source.path.name,
        onnx_sha256=sha256_of(source.path),
        spec=contract.spec,
        precision=contract.precision,
        flavour=library.flavour,
        version=library.version,
        target=target.description,
        compute_capability=target.compute_capability,
        calibration_sha256=provenance.calibration_sha256,
        verification=provenance.verification,
        verified_on=NO_GPU,
        rebuild=provenance.rebuild,
        calibration_frames=contract.calibration_frames,
        weights=contract.weights,
    )
    with replacing(manifest_path(path)) as temporary:
        temporary.write_text(manifest.to_json())
    return path


def _build_plan(
    library: TensorRT,
    logger: Any,  # noqa: ANN401 - a class of the library
    source: OnnxFile,
    target: Target,
    options: EngineOptions,
    control: BuildControl,
) -> bytes:
    trt: Any = library.module
    onnx_file = source.path.name  # until it is proved, it is in a hidden folder
    logger.take_problems()
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # the bindings' error when there is none
        raise MissingDependencyError(f"TensorRT cannot start a builder: {logger.take_errors()}, {error}") from None
    if not builder:
        raise MissingDependencyError(f"TensorRT cannot start a builder: {logger.take_errors()}")
    # TensorRT 10 needs the flag; TensorRT 11 and TensorRT-RTX are always strongly typed, and still have it.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(_readable(source, library, target)):
        raise EdgeSegError(f"{onnx_file}: TensorRT cannot read it: {_reasons(parser) or logger.take_errors()}")
    config = builder.create_builder_config()
    set_target(library, config, target.compute_capability)
    configure(library, config, options)
    monitor = progress_monitor(library, control)
    config.progress_monitor = monitor
    cache = open_timing_cache(library, config, logger, options.timing_cache) if options.timing_cache else None
    plan = builder.build_serialized_network(network, config)
    control.raise_failure()
    if plan is None:
        reason = logger.take_errors()
        way = "export it with --fp16" if _NO_GEMM in reason else "see --build-log"
        raise EdgeSegError(f"{onnx_file}: TensorRT cannot build it: {reason}; {way}")
    if options.timing_cache:
        save_timing_cache(cache, options.timing_cache)
    return bytes(plan)


def _readable(source: OnnxFile, library: TensorRT, target: Target) -> bytes:
    """Return the ONNX file as TensorRT is given it."""
    if library.flavour == "tensorrt-rtx" and target.compute_capability == _TURING:
        rewritten = without_float32_gemm(source.model)
        if rewritten is not source.model:
            return bytes(rewritten.SerializeToString())
    return source.path.read_bytes()


def _reasons(parser: Any) -> str:  # noqa: ANN401 - a class of the library
    reasons = []
    for error in (parser.get_error(index) for index in range(parser.num_errors)):
        operator = error.node_operator()
        known = not operator or parser.supports_operator(operator)
        reason = printable(error.desc()) if known else f"TensorRT has no operator {operator}"
        where = error.node_name() or (f"number {error.node()}" if error.node() >= 0 else "")
        reasons.append(f"node {where}: {reason}" if where else reason)
    return "; ".join(reasons)


@contextmanager
def _logged(logger: Any, path: Path | None) -> Iterator[None]:  # noqa: ANN401 - a class of the library
    if path is None:
        yield
        return
    failure = None
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        logger.stream = stream
        try:
            yield
        except EdgeSegError as error:  # the log of a failed build is the one that people read
            failure = error
        finally:
            logger.stream = None
    if failure is not None:
        raise failure
