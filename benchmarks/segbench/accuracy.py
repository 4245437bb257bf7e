"""mIoU and pixel accuracy of an artefact on the evaluation frames of a dataset."""

from collections.abc import Callable

import numpy as np

from segdata.dataset import Dataset, SplitArrays
from segdata.errors import InputError
from segdata.metrics import Accuracy, accuracy, confusion_matrix
from segdata.spec import frame_id
from segrun.runner import Runner


def score(runner: Runner, dataset: Dataset, on_frame: Callable[[], None]) -> Accuracy:
    """Run the dataset's evaluation frames, none of which calibrated anything, and return the figures.

    Raises InputError if the dataset is of another frame size or of other classes than the artefact, or if frames that
    would be measured on calibrated it.
    """
    dataset.check_fits(runner.spec)
    split = dataset.evaluation()
    check_unseen(runner, split)
    matrix = np.zeros((runner.spec.class_count, runner.spec.class_count), dtype=np.int64)
    for frame, labels in zip(split.images, split.labels, strict=True):
        matrix += confusion_matrix(labels, runner(frame[None])[0], runner.spec.class_count)
        on_frame()
    return accuracy(matrix, runner.spec.class_names)


def check_unseen(runner: Runner, split: SplitArrays) -> None:
    """Raise InputError if a frame of `split` calibrated the artefact: it would flatter itself."""
    seen = sum(frame_id(sha256) in runner.calibration_frames for sha256 in split.sha256)
    if seen:
        raise InputError(
            f"{seen} of the {len(split)} evaluation frames calibrated this {runner.precision} artefact; prepare the "
            "dataset with the seed it was calibrated with, or calibrate on this one"
        )
