"""Measures accuracy on a dataset's evaluation frames, with confidence intervals."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segbench.measure.sureness import SurenessCounts
from segbench.results import AccuracyResult, Change, Sureness
from segdata.command_line.progress import SILENT, Progress
from segdata.dataset.dataset import Dataset, dataset_for
from segdata.dataset.facts import CALIBRATION_SPLIT
from segdata.errors import InputError
from segdata.labels import official_classes
from segdata.metrics import Matrix, accuracy, class_iou, confusion_matrix, known, mean_iou
from segdata.spec import frame_id
from segrun.runners.base import Runner

RESAMPLES = 1000
_SEED = 0

ImageMatrices = npt.NDArray[np.int64]
"""A confusion matrix an image, int64 [N, C, C]: row is truth, column is prediction."""


def image_matrices(
    runner: Runner, dataset: Dataset, progress: Progress = SILENT, sureness: SurenessCounts | None = None
) -> ImageMatrices:
    """Run the dataset's evaluation frames, none of which calibrated anything, and count each one's pixels.

    `sureness` also counts them by their confidence, where the artefact gives one.

    Raises InputError if the dataset has no such frame, or another frame size or other classes than the artefact, or if
    evaluation frames calibrated it.
    """
    check_dataset(runner, dataset)
    split = dataset.evaluation()
    matrices = []
    for frame, labels in zip(split.images, split.labels, strict=True):
        truth, found = dataset.truth(labels, runner.spec), runner.infer(frame[None])
        matrices.append(confusion_matrix(truth, found.labels[0], runner.spec.class_count))
        if sureness is not None and found.confidence is not None:
            sureness.add(truth, found.labels[0], found.confidence[0])
        progress.advance("accuracy")
    return np.stack(matrices)


def dataset_of(folder: Path, runner: Runner) -> Dataset:
    """Return the dataset in `folder` that an artefact is measured on; raise InputError if it cannot be, as below."""
    dataset = dataset_for(folder, runner.spec)
    check_dataset(runner, dataset)
    return dataset


def check_dataset(runner: Runner, dataset: Dataset) -> None:
    """Raise InputError if the artefact cannot be measured on the dataset; reads no pixels.

    The reasons are another frame size or other classes, no frame to evaluate on, or one that calibrated the artefact,
    whose accuracy would look too good.
    """
    dataset.check_fits(runner.spec)
    indices = dataset.evaluation_indices()
    if not len(indices):
        raise InputError(f"{dataset.folder}: has no frame to evaluate on; prepare it again from more frames of val")
    hashes = dataset.facts.splits[CALIBRATION_SPLIT].sha256
    seen = sum(frame_id(hashes[index]) in runner.calibration_frames for index in indices)
    if seen:
        raise InputError(
            f"{seen} of the {len(indices)} evaluation frames calibrated this {runner.precision} artefact; prepare the "
            "dataset with the seed it was calibrated with, or calibrate on this one"
        )


def accuracy_of(
    matrices: ImageMatrices, class_names: tuple[str, ...], change: Change | None, sureness: Sureness | None = None
) -> AccuracyResult:
    """Return the figures over all images: one confusion matrix, never a mean over images."""
    matrix: Matrix = matrices.sum(axis=0)
    figures = accuracy(matrix, class_names)
    iou = class_iou(matrix)
    return AccuracyResult(
        miou=known(figures.miou),
        miou_official=known(figures.miou_official),
        pixel_accuracy=known(figures.pixel_accuracy),
        class_iou={name: known(float(value)) for name, value in zip(class_names, iou, strict=True)},
        change=change,
        sureness=sureness,
    )


def change_of(
    matrices: ImageMatrices, reference: ImageMatrices, class_names: tuple[str, ...], name: str
) -> Change | None:
    """Return how far the mIoU lies from that of the artefact `name` on the same images; None if neither has one.

    Both are computed again on each of 1,000 draws of as many images, with replacement and the same ones for both: what
    is common to an image cancels out, so small changes can be told from chance.
    """
    official = official_classes(class_names)
    scored = official if not math.isnan(accuracy(reference.sum(axis=0), class_names).miou_official) else None
    points = 100 * (mean_iou(matrices.sum(axis=0), scored) - mean_iou(reference.sum(axis=0), scored))
    if math.isnan(points):
        return None
    count = len(matrices)
    draws = np.random.default_rng(_SEED).integers(0, count, (RESAMPLES, count))
    weights = np.stack([np.bincount(draw, minlength=count) for draw in draws])
    found = [_resampled(own, scored, weights) for own in (matrices, reference)]
    low, high = np.nanpercentile(100 * (found[0] - found[1]), (2.5, 97.5))
    return Change(name, len(scored or class_names), points, float(low), float(high))


def _resampled(
    matrices: ImageMatrices, scored: list[int] | None, weights: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the mIoU of each draw; `weights` int64 [draws, N] is how often each image is in it."""
    count, classes, _ = matrices.shape
    # As floats, for a fast matrix product: exact up to 2^53 pixels.
    flat = matrices.reshape(count, -1).astype(np.float64)
    sums = (weights.astype(np.float64) @ flat).astype(np.int64).reshape(-1, classes, classes)
    return np.array([mean_iou(matrix, scored) for matrix in sums])
