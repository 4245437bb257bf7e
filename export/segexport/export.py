"""A checkpoint -> proved ONNX files in the precisions asked for, and their engines."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import onnx

from segdata.dataset import Dataset
from segdata.errors import ContractError, InputError
from segdata.files import replacing, sha256_of
from segdata.spec import Precision
from segexport.calibrate import CalibrationRanges, measure_ranges, read_ranges
from segexport.graph import DeployableGraph
from segexport.options import ExportOptions
from segexport.to_engine import Target, build_engine, choose_target
from segexport.to_int8 import to_int8
from segexport.to_onnx import to_onnx
from segexport.verify import Agreement, frame_count, proof_of, verify
from segrun.tensorrt_library import TensorRT, find_tensorrt, load_tensorrt
from segtrain.checkpoint import load_checkpoint


@dataclass(frozen=True)
class Exported:
    """One precision: its ONNX file, how it compares with float32 PyTorch, its engine if one was built."""

    precision: Precision
    onnx: Path
    agreement: Agreement
    engine: Path | None
    seconds: float


@dataclass(frozen=True)
class ExportReport:
    """All that one export made. `proof` says which frames it was verified on, `builder` what built the engines."""

    exported: list[Exported]
    proof: str
    builder: str


def export(options: ExportOptions, on_start: Callable[[int], None], on_step: Callable[[str], None]) -> ExportReport:
    """Export `options.checkpoint` in each precision; write nothing that was not verified first.

    `on_start` is told the number of steps, `on_step` is called after each with what is being done. Raises EdgeSegError
    and its children, in one line, for anything that cannot be read, calibrated, built or proved.
    """
    precisions: tuple[Precision, ...] = options.precisions or get_args(Precision)
    network, spec = load_checkpoint(options.checkpoint)
    dataset = Dataset(options.calibration) if options.calibration else None
    if dataset is not None:
        dataset.check_fits(spec)
    library = _library(options)
    target = choose_target(library, options.compute_capability) if library else None
    frames = frame_count(dataset)
    calibrating = "int8" in precisions and dataset is not None
    on_start(frames * (1 + len(precisions)) + (len(dataset.calibration()) if calibrating and dataset else 0))

    float_model = to_onnx(network, spec, "fp32")
    ranges = _ranges(options, float_model, dataset, on_step) if "int8" in precisions else None
    proof = proof_of(DeployableGraph(network, spec), spec, dataset, lambda: on_step("reference"))
    exported = []
    for precision in precisions:
        start = time.perf_counter()
        if precision == "int8":
            assert ranges is not None  # made above whenever int8 is asked for
            model = to_int8(float_model, ranges)
        else:
            model = float_model if precision == "fp32" else to_onnx(network, spec, precision)
        path = options.output / f"{options.checkpoint.stem}.{precision}.onnx"
        with replacing(path) as temporary:
            onnx.save(model, temporary)
            agreement = verify(temporary, precision, proof, partial(on_step, precision))
        engine = None
        if library and target:
            calibration = ranges.frames_sha256 if ranges and precision == "int8" else None
            engine = build_engine(library, path, target, calibration, _rebuild_command(options, precision, library))
        exported.append(Exported(precision, path, agreement, engine, time.perf_counter() - start))
    return ExportReport(exported, proof.description, _builder(library, target))


def _library(options: ExportOptions) -> TensorRT | None:
    if options.engine == "none":
        return None
    if options.engine == "auto":
        return find_tensorrt()
    return load_tensorrt("tensorrt" if options.engine == "tensorrt" else "tensorrt-rtx")


def _builder(library: TensorRT | None, target: Target | None) -> str:
    if library is None or target is None:
        return "no engine built: pip install 'edgeseg[rtx]' builds them without a GPU"
    return f"engines built by {library.flavour} {library.version} for {target.description}; not run here"


def _ranges(
    options: ExportOptions, model: onnx.ModelProto, dataset: Dataset | None, on_step: Callable[[str], None]
) -> CalibrationRanges:
    weights_sha256 = sha256_of(options.checkpoint)
    beside = ranges_path(options.checkpoint, options.checkpoint.parent)
    if dataset is not None:
        ranges = measure_ranges(model, dataset, weights_sha256, lambda: on_step("calibrate"))
        with replacing(ranges_path(options.checkpoint, options.output)) as temporary:
            temporary.write_text(ranges.to_json())
        return ranges
    if not beside.is_file():
        raise InputError(
            f"{options.checkpoint}: int8 needs real frames to calibrate on, or {beside.name} beside it; "
            "give --calibration DATASET, made with seg-data prepare"
        )
    ranges = read_ranges(beside)
    if ranges.weights_sha256 != weights_sha256:
        raise ContractError(f"{beside} is of other weights than {options.checkpoint}; give --calibration DATASET")
    return ranges


def ranges_path(checkpoint: Path, folder: Path) -> Path:
    """Return where the calibration ranges of a checkpoint stand in `folder`; the shipped model's are beside it."""
    return folder / f"{checkpoint.stem}.calibration.json"


def _rebuild_command(options: ExportOptions, precision: Precision, library: TensorRT) -> str:
    calibration = f" --calibration {options.calibration}" if options.calibration else ""
    engine = "tensorrt" if library.flavour == "tensorrt" else "rtx"
    return (
        f"seg-export {options.checkpoint} --{precision} -o {options.output}{calibration} "
        f"--engine {engine} --cc {options.compute_capability}"
    )
