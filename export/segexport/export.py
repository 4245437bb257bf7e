"""A checkpoint -> proved ONNX files in the precisions asked for, and their engines."""

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import onnx

from segdata.dataset import dataset_for
from segdata.errors import InputError
from segdata.files import replacing
from segdata.shipped import shipped_checkpoint
from segdata.spec import Precision
from segexport.engine_config import check_build_options
from segexport.graph import DeployableGraph
from segexport.int8 import Int8Model, make_int8
from segexport.onnx_cost import cost_of_onnx
from segexport.options import ExportOptions
from segexport.prove_engine import prove_engine
from segexport.to_engine import Target, build_engine, choose_target
from segexport.to_onnx import to_onnx
from segexport.triton import write_repository
from segexport.verify import Agreement, Proof, frame_count, proof_of, verify
from segrun.runners.tensorrt.library import TensorRT, find_tensorrt, load_tensorrt
from segrun.runners.tensorrt.manifest import Verification
from segtrain.checkpoint import load_checkpoint

TOP_PHASE = "Building engine"
"""What TensorRT calls the outermost phase of a build."""

# What a rebuild command has to repeat.
_REBUILT = (
    "batch", "calibration", "calibration_frames", "calibration_method", "seed", "max_drop", "qat", "verify",
    "workspace_mb", "optimization_level", "timing_cache", "version_compatible",
)  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """One precision: its ONNX file, how it compares with float32 PyTorch, its engine if one was built.

    `layers` is how many of the convolutions are INT8, as `14 of 15`, and `int8_share` their share of the
    multiply-accumulates, 0 to 1. `verified_on` is what ran the engine, as its manifest says it, None without one.
    """

    precision: Precision
    onnx: Path
    agreement: Agreement
    layers: str
    int8_share: float
    engine: Path | None
    verified_on: str | None
    seconds: float


@dataclass(frozen=True)
class ExportReport:
    """All that one export made. `proof` says which frames it was verified on, `builder` what built the engines."""

    checkpoint: Path
    exported: list[Exported]
    proof: str
    builder: str
    int8: Int8Model | None


def export(options: ExportOptions, on_start: Callable[[int], None], on_step: Callable[[str], None]) -> ExportReport:
    """Export the checkpoint in each precision; write nothing that was not verified first.

    `on_start` is told the number of steps of each part as it begins, `on_step` is called after each step with what is
    being done. Raises EdgeSegError and its children, in one line, for anything that cannot be read, calibrated, built
    or proved.
    """
    checkpoint = _checkpoint(options)
    precisions: tuple[Precision, ...] = options.precisions or get_args(Precision)
    network, spec = load_checkpoint(checkpoint)
    dataset = dataset_for(options.calibration, spec) if options.calibration else None
    if dataset is not None:
        dataset.check_fits(spec)
    library = _library(options)
    target = None
    if library is not None:
        check_build_options(library, options)
        target = choose_target(library, options.compute_capability)

    float_model = to_onnx(network, spec, "fp32", options.batch)
    int8 = None
    if "int8" in precisions:
        int8 = make_int8(options, checkpoint, network, spec, float_model, dataset, on_start, on_step)
    on_start(frame_count(dataset))
    proof = proof_of(DeployableGraph(network, spec), spec, dataset, lambda: on_step("reference"))
    exported = []
    for precision in precisions:
        start = time.perf_counter()
        if precision == "int8" and int8 is not None:
            model = int8.model
        else:
            model = float_model if precision == "fp32" else to_onnx(network, spec, precision, options.batch)
        path = options.output / f"{checkpoint.stem}.{precision}.onnx"
        with replacing(path) as temporary:
            onnx.save(model, temporary)
            max_drop = int8.budget / 100 if int8 and int8.mixture and precision == "int8" else None
            on_start(2 * frame_count(dataset))  # in ONNX Runtime and in OpenVINO
            agreement = verify(temporary, precision, proof, partial(on_step, precision), max_drop, options.verify)
        engine = verified_on = None
        if library and target:
            calibration = int8.ranges.frames_sha256 if int8 and precision == "int8" else None
            proved = _Proved(precision, proof, agreement, calibration)
            engine, verified_on = _engine(options, checkpoint, library, target, path, proved, on_start, on_step)
        if options.triton is not None:
            loadable = engine if library and library.flavour == "tensorrt" else None  # Triton has no TensorRT-RTX
            write_repository(loadable or path, options.triton)
        cost = cost_of_onnx(model)
        layers = f"{sum(layer.precision == 'int8' for layer in cost.layers)} of {len(cost.layers)}"
        seconds = time.perf_counter() - start
        exported.append(Exported(precision, path, agreement, layers, cost.int8_share, engine, verified_on, seconds))
    return ExportReport(checkpoint, exported, proof.description, _builder(library, target, exported), int8)


def _checkpoint(options: ExportOptions) -> Path:
    if options.checkpoint is not None and options.size is not None:
        raise InputError(f"got {options.checkpoint} and --size {options.size}; --size names a shipped model: give one")
    return options.checkpoint or shipped_checkpoint(options.size)


def _library(options: ExportOptions) -> TensorRT | None:
    if options.engine == "none":
        return None
    if options.engine == "auto":
        return find_tensorrt()
    return load_tensorrt("tensorrt" if options.engine == "tensorrt" else "tensorrt-rtx")


def _builder(library: TensorRT | None, target: Target | None, exported: list[Exported]) -> str:
    if library is None or target is None:
        return "no engine built: pip install 'edgeseg[rtx]' builds them without a GPU"
    ran = "; ".join(sorted({row.verified_on for row in exported if row.verified_on}))
    return f"engines built by {library.flavour} {library.version} for {target.description}; verified on: {ran}"


def _engine(
    options: ExportOptions,
    checkpoint: Path,
    library: TensorRT,
    target: Target,
    path: Path,
    exported: "_Proved",
    on_start: Callable[[int], None],
    on_step: Callable[[str], None],
) -> tuple[Path, str]:
    """Build the engine of one ONNX file, with its proof in the manifest; return it and what it was verified on."""
    rebuild = _rebuild_command(options, checkpoint, exported.precision, library)
    agreement = exported.agreement
    verification = Verification(
        frames=exported.proof.description,
        frames_sha256=exported.proof.frames_sha256,
        runners="ONNX Runtime, OpenVINO",
        equal_pixels=agreement.equal_pixels,
        miou=agreement.miou,
        miou_change=agreement.miou_change,
        enforced=options.verify,
    )

    def on_progress(phase: str, step: int, steps: int) -> None:
        if phase == TOP_PHASE and step == 0:
            on_start(steps)
        elif phase == TOP_PHASE:
            on_step(f"{exported.precision} engine")

    calibration = exported.calibration_sha256
    built = build_engine(library, path, target, options, calibration, rebuild, on_progress, verification)
    told = partial(on_step, f"{exported.precision} on GPU")
    return built.path, prove_engine(built.path, exported.precision, exported.proof, on_start, told, options.verify)


@dataclass(frozen=True)
class _Proved:
    precision: Precision
    proof: Proof
    agreement: Agreement
    calibration_sha256: str | None


def _rebuild_command(options: ExportOptions, checkpoint: Path, precision: Precision, library: TensorRT) -> str:
    """Return the command that makes the engine again: everything that was asked for and is not a default."""
    words = ["seg-export", str(checkpoint), f"--{precision}", "-o", str(options.output)]
    words += ["--engine", "tensorrt" if library.flavour == "tensorrt" else "rtx", "--cc", options.compute_capability]
    for name in _REBUILT:
        value, default = getattr(options, name), getattr(ExportOptions, name)
        if value == default:
            continue
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{name}")
        else:
            words += [flag, str(value)]
    return shlex.join(words)
