"""What a training run looks like: curves, per-class IoU and the confusion matrix."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from segdata.files import replacing
from segdata.metrics import Matrix, class_iou, mean_iou
from segdata.spec import ModelSpec
from segtrain.history import EpochFigures, best_of


def save(figure: Figure, path: Path, dpi: int = 110) -> None:
    """Write a figure as PNG."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=dpi)


def plot_curves(history: list[EpochFigures]) -> Figure:
    """Draw loss, mIoU and pixel accuracy of train and val over the epochs, and mark the epoch that was kept."""
    epochs = [row.epoch for row in history]
    figure = Figure(figsize=(13, 4), layout="constrained")
    losses, miou, accuracy = figure.subplots(1, 3)
    losses.plot(epochs, [row.train_loss for row in history], label="train, augmented")
    losses.plot(epochs, [row.val_loss for row in history], label="val")
    losses.set(title="Loss", ylabel="cross-entropy, nats a pixel", ylim=(0, None))
    miou.plot(epochs, [100 * row.train_miou for row in history], label="train, augmented")
    miou.plot(epochs, [100 * row.miou for row in history], label="val")
    if any(row.miou_official == row.miou_official for row in history):
        miou.plot(epochs, [100 * row.miou_official for row in history], label="val, 19 official classes")
    miou.set(title="mIoU", ylabel="percent")
    accuracy.plot(epochs, [100 * row.train_accuracy for row in history], label="train, augmented")
    accuracy.plot(epochs, [100 * row.pixel_accuracy for row in history], label="val")
    accuracy.set(title="Pixel accuracy", ylabel="percent")
    best = best_of(history)
    for axis in (losses, miou, accuracy):
        for line in axis.lines:
            line.set_marker(".")  # the first epoch alone is no line yet
        axis.set_xlim(0.5, len(history) + 0.5)
        if best is not None:
            axis.axvline(best.epoch, color="grey", linestyle=":", label="kept")
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    figure.legend(*miou.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def plot_iou(matrix: Matrix, spec: ModelSpec) -> Figure:
    """Draw the IoU of each class, in its colour; a class that does not occur has no bar."""
    iou = 100 * class_iou(matrix)
    figure = Figure(figsize=(8, 0.24 * len(iou) + 1.2), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(iou))
    axis.barh(places, np.nan_to_num(iou), color=np.asarray(spec.colours) / 255, edgecolor="black", linewidth=0.4)
    for place, value in enumerate(iou):
        text = "does not occur" if np.isnan(value) else f"{value:.1f}"
        axis.text(np.nan_to_num(value) + 0.8, place, text, va="center", fontsize=7)
    axis.axvline(100 * mean_iou(matrix), color="grey", linestyle=":", label=f"mean {100 * mean_iou(matrix):.1f}")
    axis.set_yticks(places, spec.class_names, parse_math=False)
    axis.set(xlim=(0, 105), xlabel="IoU on val, percent", title="IoU by class")
    axis.invert_yaxis()
    axis.tick_params(labelsize=8)
    axis.margins(y=0.01)
    axis.legend(loc="lower right")
    return figure


def plot_confusion(matrix: Matrix, spec: ModelSpec) -> Figure:
    """Draw what each true class was taken for, as percent of its pixels; rows of classes without truth are empty."""
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(100 * matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    side = 0.32 * len(matrix) + 2
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for row, column in zip(*np.nonzero(shares >= 1), strict=True):
        shade = "white" if shares[row, column] > 55 else "black"
        cell = axis.text(column, row, f"{shares[row, column]:.0f}", ha="center", va="center", fontsize=6, color=shade)
        cell.set_in_layout(False)  # it is inside the axes; to measure hundreds of them takes a second
    places = np.arange(len(matrix))
    axis.set_xticks(places, spec.class_names, rotation=90, fontsize=7, parse_math=False)
    axis.set_yticks(places, spec.class_names, fontsize=7, parse_math=False)
    axis.set(xlabel="taken for", ylabel="truth", title="Confusion on val, percent of each true class")
    figure.colorbar(image, ax=axis, shrink=0.7, label="percent")
    return figure
