"""Which frames and which method calibrate INT8 best: mIoU of each choice on the frames that calibrate nothing.

    python benchmarks/calibration.py CHECKPOINT DATASET [FRAMES]

Prints a Markdown table, of FRAMES evaluation frames if given. Noise and ten frames are there to show what they cost, if
anything.
"""

import sys
from pathlib import Path

import numpy as np

from segdata.command_line.progress import SILENT
from segdata.dataset.dataset import Dataset, SplitArrays
from segdata.metrics import accuracy, confusion_matrix
from segexport.graph.to_onnx import to_onnx
from segexport.options import CalibrationMethodName
from segexport.quantise.calibrate import measure_ranges
from segexport.quantise.mixed import labels_of
from segexport.quantise.to_int8 import to_int8
from segrun.runners.base import Labels
from segtrain.network.checkpoint import load_checkpoint

METHODS: tuple[CalibrationMethodName, ...] = ("percentile", "entropy", "minmax")


def some(split: SplitArrays, count: int) -> SplitArrays:
    """Return `count` frames, the same every time."""
    return split.subset(np.sort(np.random.default_rng(0).permutation(len(split))[:count]))


def noise_like(split: SplitArrays) -> SplitArrays:
    """Return uniform noise of the split's shape."""
    noise = np.random.default_rng(0).integers(0, 256, split.images.shape, dtype=np.uint8)
    return SplitArrays(noise, split.labels, split.names, split.sha256)


def main() -> None:
    """Measure every choice."""
    network, spec = load_checkpoint(Path(sys.argv[1]))
    dataset = Dataset(Path(sys.argv[2]))
    model = to_onnx(network, spec, "fp32")
    evaluation, calibration, train = dataset.evaluation(), dataset.calibration(), dataset.split("train")
    if len(sys.argv) > 3:
        evaluation = some(evaluation, int(sys.argv[3]))
    choices: list[tuple[str, SplitArrays, CalibrationMethodName]] = [
        *((f"{len(calibration)} of val", calibration, method) for method in METHODS),
        ("32 of val", some(calibration, 32), "percentile"),
        ("500 of train", some(train, 500), "percentile"),
        ("10 of val", some(calibration, 10), "percentile"),
        ("as many of noise", noise_like(calibration), "percentile"),
    ]
    reference = labels_of(model, evaluation, SILENT)

    def row(frames: str, method: str, found: Labels) -> None:
        figures = accuracy(confusion_matrix(evaluation.labels, found, spec.class_count), spec.class_names)
        equal = float((found == reference).mean())
        print(
            f"| {frames} | {method} | {100 * figures.miou_official:.2f} | {100 * figures.miou:.2f} "
            f"| {100 * figures.pixel_accuracy:.2f} | {100 * equal:.2f} |",
            flush=True,
        )

    print(f"{spec.width}x{spec.height}, {len(evaluation)} evaluation frames\n")
    print("| calibrated on | method | mIoU 19 | mIoU | accuracy | equal pixels |")
    print("| --- | --- | --- | --- | --- | --- |")
    row("fp32", "-", reference)
    for name, frames, method in choices:
        ranges = measure_ranges(model, frames, "0" * 64, method, SILENT)
        row(name, method, labels_of(to_int8(model, ranges), evaluation, SILENT))


if __name__ == "__main__":
    main()
