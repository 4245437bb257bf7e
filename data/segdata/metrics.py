"""The confusion matrix and the figures computed from it. One matrix over the whole set, in int64.

Definitions as in `cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling` (tests compare the figures).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segdata.errors import InputError
from segdata.labels import CITYSCAPES_19, IGNORE_INDEX, official_classes

Matrix = npt.NDArray[np.int64]


def confusion_matrix(truth: npt.NDArray[np.uint8], prediction: npt.NDArray[np.uint8], class_count: int) -> Matrix:
    """Count pixels as int64 [class_count, class_count]: row is truth, column is prediction.

    `truth` and `prediction` are class ids of one shape, any rank. Pixels whose truth is 255 are left out.
    Raises InputError when shapes differ, or when an id is neither a class nor (in the truth) 255.
    """
    if truth.shape != prediction.shape:
        raise InputError(f"got truth of shape {truth.shape} and prediction of shape {prediction.shape}, need one shape")
    kept = truth != IGNORE_INDEX
    rows, columns = truth[kept].astype(np.int64), prediction[kept].astype(np.int64)
    for what, ids in (("truth", rows), ("prediction", columns)):
        if ids.size and ids.max() >= class_count:
            raise InputError(f"got class id {ids.max()} in the {what}, need ids below {class_count}")
    counts = np.bincount(rows * class_count + columns, minlength=class_count**2)
    return counts.reshape(class_count, class_count)


def class_iou(matrix: Matrix, scored: Sequence[int] | None = None) -> npt.NDArray[np.float64]:
    """Return intersection over union per scored class, float64 0 to 1, NaN for a class neither true nor predicted.

    `scored` are the classes that count (all, if None). Truth of other classes is left out, as Cityscapes leaves out
    the classes it does not score; predicting another class where the truth is scored is a miss.
    """
    index = np.arange(len(matrix)) if scored is None else np.asarray(scored, dtype=np.int64)
    rows = matrix[index]
    intersection = rows[np.arange(len(index)), index].astype(np.float64)
    union = rows.sum(axis=1) + rows[:, index].sum(axis=0) - intersection
    iou = np.full(len(index), np.nan)
    np.divide(intersection, union, out=iou, where=union > 0)
    return iou


def mean_iou(matrix: Matrix, scored: Sequence[int] | None = None) -> float:
    """Return the mean of `class_iou` over the classes that occur; NaN if none does."""
    iou = class_iou(matrix, scored)
    present = iou[~np.isnan(iou)]
    return float(present.mean()) if present.size else float("nan")


def pixel_accuracy(matrix: Matrix) -> float:
    """Return the share of pixels that are right, 0 to 1; NaN if there is no pixel."""
    total = matrix.sum()
    return float(np.trace(matrix) / total) if total else float("nan")


def known(figure: float) -> float | None:
    """Return a figure as JSON has it: None where nothing was measured, which is NaN in code."""
    return None if math.isnan(figure) else figure


@dataclass(frozen=True)
class Accuracy:
    """The three figures every report gives, as fractions 0 to 1 (NaN where nothing was measured).

    `miou` is over the label space's own classes; `miou_official` over those of them that Cityscapes scores
    (19 for cityscapes-29 and -19; NaN for a space without them).
    """

    miou: float
    miou_official: float
    pixel_accuracy: float


def accuracy(matrix: Matrix, class_names: Sequence[str]) -> Accuracy:
    """Compute the figures of a report from a confusion matrix whose classes are `class_names`."""
    official = official_classes(class_names)
    has_official = len(official) == CITYSCAPES_19.class_count
    return Accuracy(
        miou=mean_iou(matrix),
        miou_official=mean_iou(matrix, official) if has_official else float("nan"),
        pixel_accuracy=pixel_accuracy(matrix),
    )
