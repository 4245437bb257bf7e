"""Mixed precision: finds the layers that cost the most mIoU in INT8, and keeps them in float to meet a budget.

Layers are ranked on labelled frames outside the proof (the calibration frames), which so stays unseen.
"""

import csv
import tempfile
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import onnx
from matplotlib.figure import Figure

from segdata.command_line.progress import Progress
from segdata.dataset.dataset import SplitArrays
from segdata.errors import VerificationError
from segdata.files import replacing
from segdata.metrics import accuracy, confusion_matrix
from segdata.spec import ModelSpec
from segexport.graph.contract import check_contract
from segexport.quantise.calibrate import CalibrationRanges
from segexport.quantise.to_int8 import quantisable, to_int8
from segrun.runners.base import Labels
from segrun.runners.onnxruntime import OnnxRuntimeRunner
from segtrain.report.plots import save


@dataclass(frozen=True)
class LayerDrop:
    """The effect of INT8 in this layer alone: `miou_drop` in points (hundredths), `equal_pixels` a share 0 to 1."""

    layer: str
    miou_drop: float
    equal_pixels: float


@dataclass(frozen=True)
class Mixture:
    """The layers, costliest first, and those of them that stay float so that the drop fits the budget, in points."""

    ranking: tuple[LayerDrop, ...]
    keep_float: tuple[str, ...]
    miou_drop: float


def mix(
    model: onnx.ModelProto,
    ranges: CalibrationRanges,
    frames: SplitArrays,
    max_drop: float,
    progress: Progress,
) -> Mixture:
    """Rank the layers of the float32 `model` and leave the costliest in float until INT8 loses at most `max_drop`.

    The model takes one frame at a time. `max_drop` is in points of mIoU over all classes. Raises VerificationError if
    even one layer in INT8 is too much.
    """
    layers = quantisable(model)
    spec = check_contract(model).spec
    progress.start((1 + len(layers)) * len(frames))
    reference = labels_of(model, frames, progress)

    def drop_of(keep_float: Collection[str]) -> tuple[float, Labels]:
        found = labels_of(to_int8(model, ranges, keep_float), frames, progress)
        return 100 * (_miou(spec, frames, reference) - _miou(spec, frames, found)), found

    costs = []
    for layer in layers:
        drop, found = drop_of([name for name in layers if name != layer])
        costs.append(LayerDrop(layer, drop, float((found == reference).mean())))
    ranking = sorted(costs, key=lambda cost: (-cost.miou_drop, cost.equal_pixels))
    for count in range(len(layers)):
        kept = tuple(cost.layer for cost in ranking[:count])
        progress.start(len(frames))
        drop, _ = drop_of(kept)
        if drop <= max_drop:
            return Mixture(tuple(ranking), kept, drop)
    raise VerificationError(
        f"got --max-drop {max_drop:g}, but INT8 loses {drop:.2f} points with all layers but one in float; raise it"
    )


def write_ranking(mixture: Mixture, path: Path) -> None:
    """Write the ranking as CSV, with whether each layer stays float."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*(field.name for field in fields(LayerDrop)), "kept_float"])
        writer.writeheader()
        for cost in mixture.ranking:
            writer.writerow({**asdict(cost), "kept_float": cost.layer in mixture.keep_float})


def plot_ranking(mixture: Mixture, path: Path) -> None:
    """Draw what each layer costs in INT8, as PNG; those that stay float are hatched."""
    figure = Figure(figsize=(8, 0.28 * len(mixture.ranking) + 1.4), layout="constrained")
    axis = figure.subplots()
    for place, cost in enumerate(mixture.ranking):
        kept = cost.layer in mixture.keep_float
        colour, hatch = ("#c44", "//") if kept else ("#48a", "")
        axis.barh(place, cost.miou_drop, color=colour, hatch=hatch, edgecolor="white")
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(range(len(mixture.ranking)), [cost.layer for cost in mixture.ranking], fontsize=8)
    axis.invert_yaxis()
    axis.grid(axis="x", alpha=0.3)
    axis.set_xlabel("mIoU lost with this layer alone in INT8, points")
    kept_count, count = len(mixture.keep_float), len(mixture.ranking)
    axis.set_title(f"{kept_count} of {count} layers stay float: {mixture.miou_drop:+.2f} points lost in all")
    save(figure, path)


def labels_of(model: onnx.ModelProto, frames: SplitArrays, progress: Progress) -> Labels:
    """Return the labels that ONNX Runtime finds with `model`, of batch 1, uint8 [N, H, W]; `progress` was started."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        found = np.empty_like(frames.labels)
        with OnnxRuntimeRunner(path) as runner:
            for index, frame in enumerate(frames.images):
                found[index] = runner(frame[None])[0]
                progress.advance("rank layers")
    return found


def _miou(spec: ModelSpec, frames: SplitArrays, labels: Labels) -> float:
    return accuracy(confusion_matrix(frames.labels, labels, spec.class_count), spec.class_names).miou
