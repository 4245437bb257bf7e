"""A float32 model -> its INT8 model: ranges measured, kept or shipped; layers left in float to meet a budget."""

from dataclasses import dataclass
from pathlib import Path

import onnx

from segdata.command_line.progress import Progress
from segdata.dataset.dataset import Dataset, SplitArrays
from segdata.dataset.facts import CALIBRATION_SPLIT
from segdata.errors import ContractError, InputError
from segdata.files import replacing
from segdata.spec import frame_id
from segdata.text import short
from segexport.options import ExportOptions
from segexport.quantise.calibrate import (
    CalibrationRanges,
    calibration_frames,
    measure_ranges,
    method_text,
    read_ranges,
)
from segexport.quantise.mixed import Mixture, mix, plot_ranking, write_ranking
from segexport.quantise.to_int8 import quantisable, to_int8
from segexport.source import Source


@dataclass(frozen=True)
class Int8Model:
    """The INT8 model, its ranges and, where there was a budget, how its layers were chosen."""

    model: onnx.ModelProto
    ranges: CalibrationRanges
    mixture: Mixture | None = None


def make_int8(source: Source, float_model: onnx.ModelProto, options: ExportOptions, progress: Progress) -> Int8Model:
    """Return the INT8 model; write its ranges, and the ranking of its layers if there is one, into the output folder.

    `float_model` is the source's network at the batch that is exported. Raises InputError if there is neither a dataset
    nor ranges beside the checkpoint, if `max_drop` is asked for without a dataset, or if there is no such layer to keep
    in float; ContractError if the ranges are of other weights; VerificationError as `mix` does.
    """
    _check_kept(float_model, options)
    if source.dataset is None:
        if options.max_drop is not None:
            raise InputError("--max-drop needs labelled frames; give --calibration DATASET")
        ranges = _shipped_ranges(source)
        return Int8Model(to_int8(float_model, ranges, options.keep_float), ranges)
    frames = calibration_frames(source.dataset, options.calibration_frames, options.seed)
    # Ranges and ranking take frames one by one. Value names, which key the ranges, are the same at every batch.
    single = float_model if options.batch == 1 else source.model("fp32", 1)
    ranges = ranges_for(source, single, frames, options, progress)
    check_apart(ranges, source.dataset)
    if options.max_drop is None:
        return Int8Model(to_int8(float_model, ranges, options.keep_float), ranges)
    mixture = mix(single, ranges, frames, options.max_drop, progress)
    write_ranking(mixture, options.output / f"{source.name}.layers.csv")
    plot_ranking(mixture, options.output / f"{source.name}.layers.png")
    return Int8Model(to_int8(float_model, ranges, mixture.keep_float), ranges, mixture)


def _check_kept(float_model: onnx.ModelProto, options: ExportOptions) -> None:
    if options.keep_float and options.max_drop is not None:
        raise InputError("got --keep-float and --max-drop, which chooses the layers itself; take one of them")
    layers = quantisable(float_model)
    for name in options.keep_float:
        if name not in layers:
            raise InputError(f"got --keep-float {short(name)}, need one of {layers[0]} to {layers[-1]}")


def ranges_for(
    source: Source, float_model: onnx.ModelProto, frames: SplitArrays, options: ExportOptions, progress: Progress
) -> CalibrationRanges:
    """Return the ranges: from the output folder if weights, frames and method are the same, else measured.

    `float_model` takes one frame at a time.
    """
    kept = ranges_path(source.name, options.output)
    key = (source.weights, tuple(sorted(map(frame_id, frames.sha256))), method_text(options.calibration_method))
    if kept.is_file():
        ranges = read_ranges(kept)
        if (ranges.weights_sha256, ranges.frames, ranges.method) == key:
            return ranges
    ranges = measure_ranges(float_model, frames, source.weights, options.calibration_method, progress)
    with replacing(kept) as temporary:
        temporary.write_text(ranges.to_json())
    return ranges


def check_apart(ranges: CalibrationRanges, dataset: Dataset) -> None:
    """Raise InputError if a frame is used for both calibration and proof."""
    val = dataset.facts.splits[CALIBRATION_SPLIT].sha256
    both = set(ranges.frames) & {frame_id(val[index]) for index in dataset.evaluation_indices()}
    if both:
        raise InputError(
            f"{dataset.folder}: {len(both)} frames calibrate and prove at once ({min(both)} for one), so val has images"
            " twice; find them with seg-data check, and prepare the dataset again"
        )


def ranges_path(name: str, folder: Path) -> Path:
    """Return where the calibration ranges of a checkpoint are in `folder`; those of shipped models are beside them."""
    return folder / f"{name}.calibration.json"


def _shipped_ranges(source: Source) -> CalibrationRanges:
    beside = ranges_path(source.name, source.file.parent)
    if not beside.is_file():
        raise InputError(
            f"{source.file}: int8 needs real frames to calibrate on, or {beside.name} beside it; "
            "give --calibration DATASET, made with seg-data prepare"
        )
    ranges = read_ranges(beside)
    if ranges.weights_sha256 != source.weights:
        raise ContractError(f"{beside} is of other weights than {source.file}; give --calibration DATASET")
    return ranges
