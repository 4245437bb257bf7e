"""A float32 model -> its INT8 model: ranges measured, kept or shipped; training on and float layers where it must."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx

from segdata.dataset import CALIBRATION_SPLIT, Dataset, SplitArrays
from segdata.errors import ContractError, InputError
from segdata.files import replacing, sha256_of
from segdata.spec import ModelSpec, frame_id
from segexport.calibrate import CalibrationRanges, calibration_frames, measure_ranges, method_text, read_ranges
from segexport.mixed import Mixture, mix, plot_ranking, write_ranking
from segexport.options import ExportOptions
from segexport.qat import train_on
from segexport.to_int8 import to_int8
from segexport.to_onnx import to_onnx
from segexport.verify import THRESHOLDS
from segtrain.network import Network


@dataclass(frozen=True)
class Int8Model:
    """The INT8 model, the ranges it has, and, where there was a budget (points of mIoU), how its layers were chosen."""

    model: onnx.ModelProto
    ranges: CalibrationRanges
    mixture: Mixture | None = None
    trained_on: bool = False
    budget: float = 0.0


def make_int8(
    options: ExportOptions,
    checkpoint: Path,
    network: Network,
    spec: ModelSpec,
    float_model: onnx.ModelProto,
    dataset: Dataset | None,
    on_start: Callable[[int], None],
    on_step: Callable[[str], None],
) -> Int8Model:
    """Return the INT8 model; write its ranges, and the ranking of its layers if there is one, into the output folder.

    `float_model` is `network` at the batch that is exported. Raises InputError if there is neither a dataset nor ranges
    beside the checkpoint, or if `max_drop` or `qat` are asked for without a dataset; ContractError if the ranges are of
    other weights; VerificationError as `mix` does.
    """
    is_plain = options.max_drop is None and options.qat is None
    if dataset is None:
        if not is_plain:
            raise InputError("--max-drop and --qat need labelled frames; give --calibration DATASET")
        ranges = _shipped_ranges(checkpoint, sha256_of(checkpoint))
        return Int8Model(to_int8(float_model, ranges), ranges)
    frames = calibration_frames(dataset, options.calibration_frames, options.seed)
    # Ranges and ranking take frames one by one. Value names, which ranges go by, are the same at every batch.
    single = float_model if options.batch == 1 else to_onnx(network, spec, "fp32")
    ranges = ranges_for(options, checkpoint, single, frames, on_start, lambda: on_step("calibrate"))
    check_apart(ranges, dataset)
    if is_plain:
        return Int8Model(to_int8(float_model, ranges), ranges)
    budget = 100 * THRESHOLDS["int8"].miou_drop if options.max_drop is None else options.max_drop
    mixture = mix(single, ranges, frames, budget, on_start, lambda: on_step("rank layers"))
    trained_on = options.qat is not None and bool(mixture.keep_float)
    if trained_on and options.qat is not None:
        tuned = train_on(
            network,
            spec,
            single.graph,
            ranges,
            dataset,
            options.qat,
            options.seed,
            on_start,
            lambda: on_step("train on"),
        )
        original, single = single, to_onnx(tuned, spec, "fp32")
        float_model = single if options.batch == 1 else to_onnx(tuned, spec, "fp32", options.batch)
        mixture = mix(single, ranges, frames, budget, on_start, lambda: on_step("rank layers"), original)
    write_ranking(mixture, options.output / f"{checkpoint.stem}.layers.csv")
    plot_ranking(mixture, options.output / f"{checkpoint.stem}.layers.png")
    return Int8Model(to_int8(float_model, ranges, mixture.keep_float), ranges, mixture, trained_on, budget)


def ranges_for(
    options: ExportOptions,
    checkpoint: Path,
    float_model: onnx.ModelProto,
    frames: SplitArrays,
    on_start: Callable[[int], None],
    on_frame: Callable[[], None],
) -> CalibrationRanges:
    """Return the ranges: from the output folder if weights, frames and method are the same, else measured.

    `float_model` takes one frame at a time.
    """
    weights_sha256 = sha256_of(checkpoint)
    kept = ranges_path(checkpoint, options.output)
    key = (weights_sha256, tuple(sorted(map(frame_id, frames.sha256))), method_text(options.calibration_method))
    if kept.is_file():
        ranges = read_ranges(kept)
        if (ranges.weights_sha256, ranges.frames, ranges.method) == key:
            return ranges
    on_start(len(frames))
    ranges = measure_ranges(float_model, frames, weights_sha256, options.calibration_method, on_frame)
    with replacing(kept) as temporary:
        temporary.write_text(ranges.to_json())
    return ranges


def check_apart(ranges: CalibrationRanges, dataset: Dataset) -> None:
    """Raise InputError if a frame that calibrated is among those that prove."""
    val = dataset.facts.splits[CALIBRATION_SPLIT].sha256
    both = set(ranges.frames) & {frame_id(val[index]) for index in dataset.evaluation_indices()}
    if both:
        raise InputError(
            f"{dataset.folder}: {len(both)} frames calibrate and prove at once ({min(both)} for one), so val has images"
            " twice; find them with seg-data check, and prepare the dataset again"
        )


def ranges_path(checkpoint: Path, folder: Path) -> Path:
    """Return where the calibration ranges of a checkpoint stand in `folder`; the shipped models' are beside them."""
    return folder / f"{checkpoint.stem}.calibration.json"


def _shipped_ranges(checkpoint: Path, weights_sha256: str) -> CalibrationRanges:
    beside = ranges_path(checkpoint, checkpoint.parent)
    if not beside.is_file():
        raise InputError(
            f"{checkpoint}: int8 needs real frames to calibrate on, or {beside.name} beside it; "
            "give --calibration DATASET, made with seg-data prepare"
        )
    ranges = read_ranges(beside)
    if ranges.weights_sha256 != weights_sha256:
        raise ContractError(f"{beside} is of other weights than {checkpoint}; give --calibration DATASET")
    return ranges
