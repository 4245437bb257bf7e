"""Activation ranges for INT8: measured on real frames, kept as a small JSON keyed by the weights they belong to."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import onnx
from annotated_types import Ge, Le, Len
from onnxruntime.quantization.calibrate import CalibrationDataReader, CalibrationMethod, create_calibrator
from pydantic import ConfigDict, FiniteFloat, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from segdata.command_line.progress import Progress
from segdata.dataset.dataset import Dataset, SplitArrays
from segdata.errors import ContractError, InputError
from segdata.prepare.calibration_split import hash_of_frames
from segdata.spec import frame_id
from segdata.text import first_problem
from segexport.options import CalibrationMethodName
from segrun.runners.contract import FRAMES

SMALLEST_CALIBRATION = 32
"""With fewer frames, rare classes are left out and ranges are a matter of chance."""

PERCENTILE = 99.999
"""The share of activations inside the range of the method `percentile`."""

_CHUNK = 10  # frames whose activations are held in memory at once
_HISTOGRAM_BINS = 2048
_INT8_LEVELS = 128  # entropy merges the histogram into as many bins as int8 has magnitudes

_METHODS: dict[CalibrationMethodName, tuple[CalibrationMethod, dict[str, object]]] = {
    "percentile": (CalibrationMethod.Percentile, {"num_bins": _HISTOGRAM_BINS, "percentile": PERCENTILE}),
    # With the library's own 128 bins entropy gives the ranges of min-max: there is nothing to choose from.
    "entropy": (CalibrationMethod.Entropy, {"num_bins": _HISTOGRAM_BINS, "num_quantized_bins": _INT8_LEVELS}),
    "minmax": (CalibrationMethod.MinMax, {}),
}

# The operators whose inputs and outputs get ranges: the convolutions to quantise, and those between them.
CALIBRATED_OPERATORS = ["Conv", "Concat", "MaxPool", "Relu", "Add", "ConvTranspose"]


_LARGEST = float(np.finfo(np.float32).max)
_Float32 = Annotated[FiniteFloat, Ge(-_LARGEST), Le(_LARGEST)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class CalibrationRanges:
    """The range of each activation, by value name, and what it was measured with.

    `weights_sha256` is that of the checkpoint; `frames_sha256` that of the set of calibration frames
    (`hash_of_frames`); `frames` has the `frame_id` of each.
    """

    weights_sha256: str
    frames_sha256: str
    frames: Annotated[tuple[str, ...], Len(1)]
    method: str
    ranges: Annotated[dict[str, tuple[_Float32, _Float32]], Len(1)]
    format: Literal[1] = 1

    @model_validator(mode="after")
    def _ordered(self) -> "CalibrationRanges":
        if any(low > high for low, high in self.ranges.values()):
            raise ValueError("a range ends before it begins")
        return self

    def to_json(self) -> str:
        """Return the ranges as indented JSON."""
        return TypeAdapter(CalibrationRanges).dump_json(self, indent=1).decode()


def read_ranges(path: Path) -> CalibrationRanges:
    """Read what `CalibrationRanges.to_json` wrote; raise ContractError if the file is not that."""
    try:
        return TypeAdapter(CalibrationRanges).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); give --calibration DATASET") from None
    except ValidationError as error:
        raise ContractError(
            f"{path}: not calibration ranges ({first_problem(error)}); remove it and give --calibration DATASET"
        ) from None


def calibration_frames(dataset: Dataset, count: int, seed: int) -> SplitArrays:
    """Return `count` of the dataset's calibration frames, all if it has fewer, the same for the same seed.

    Raises InputError if that makes fewer than `SMALLEST_CALIBRATION`.
    """
    frames = dataset.calibration()
    if min(count, len(frames)) < SMALLEST_CALIBRATION:
        raise InputError(
            f"got {count} of the {len(frames)} calibration frames (a fifth of val) of {dataset.folder}, need "
            f"{SMALLEST_CALIBRATION}; raise --calibration-frames or prepare a dataset with a larger val split"
        )
    if count >= len(frames):
        return frames
    return frames.subset(np.sort(np.random.default_rng(seed).permutation(len(frames))[:count]))


def measure_ranges(
    model: onnx.ModelProto,
    frames: SplitArrays,
    weights_sha256: str,
    method: CalibrationMethodName,
    progress: Progress,
) -> CalibrationRanges:
    """Run the float32 `model`, of batch 1, on `frames`, of its size, and return the range of each activation."""
    try:
        found = _ranges(model, frames, method, progress)
    except ValueError:  # a value that hardly varies has no histogram, as in a branch that a network does not use
        method = "minmax"
        found = _ranges(model, frames, method, progress)
    return CalibrationRanges(
        weights_sha256=weights_sha256,
        frames_sha256=hash_of_frames(frames.sha256),
        frames=tuple(sorted(frame_id(sha256) for sha256 in frames.sha256)),
        method=method_text(method),
        ranges=found,
    )


def _ranges(
    model: onnx.ModelProto, frames: SplitArrays, method: CalibrationMethodName, progress: Progress
) -> dict[str, tuple[float, float]]:
    kind, settings = _METHODS[method]
    progress.start(len(frames))
    reader = _FrameReader(frames.images, progress)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fp32.onnx"
        onnx.save(model, path)
        calibrator = create_calibrator(
            path,
            CALIBRATED_OPERATORS,
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=kind,
            extra_options={"symmetric": True, **settings},
        )
        with redirect_stdout(io.StringIO()):  # the calibrator prints its progress
            while reader.next_chunk():
                calibrator.collect_data(reader)
            data = calibrator.compute_data()
    return {name: _as_pair(tensor.range_value) for name, tensor in sorted(data.data.items())}


def method_text(method: CalibrationMethodName) -> str:
    """Return the name of a method in files: percentile 99.999, entropy, minmax."""
    return f"{method} {PERCENTILE}" if method == "percentile" else method


def _as_pair(values: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]) -> tuple[float, float]:
    low, high = (float(np.asarray(value).item()) for value in values)
    return low, high


class _FrameReader(CalibrationDataReader):  # type: ignore[misc] # onnxruntime ships no types
    """Feeds frames uint8 [N, H, W, 3] to the calibrator one by one, a chunk at a time."""

    def __init__(self, frames: npt.NDArray[np.uint8], progress: Progress) -> None:
        self._frames = frames
        self._progress = progress
        self._next = 0
        self._chunk: Iterator[dict[str, npt.NDArray[np.uint8]]] = iter(())

    def next_chunk(self) -> bool:
        """Move on to the next chunk; return whether there is one."""
        chunk = self._frames[self._next : self._next + _CHUNK]
        self._next += len(chunk)
        self._chunk = iter([{FRAMES: frame[None]} for frame in chunk])
        return len(chunk) > 0

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        """Return the next frame as the model's input, None at the end of the chunk."""
        item = next(self._chunk, None)
        if item is not None:
            self._progress.advance("calibrate")
        return item
