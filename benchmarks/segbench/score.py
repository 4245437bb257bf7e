"""mIoU and pixel accuracy of an artefact on the evaluation frames of a dataset."""

from collections.abc import Callable

import numpy as np

from segdata.dataset import Dataset
from segdata.metrics import Accuracy, accuracy, confusion_matrix
from segrun.runner import Runner


def score(runner: Runner, dataset: Dataset, on_frame: Callable[[], None]) -> Accuracy:
    """Run the dataset's evaluation frames, none of which calibrated anything, and return the figures.

    Raises InputError if the dataset is of another frame size or of other classes than the artefact.
    """
    dataset.check_fits(runner.spec)
    split = dataset.evaluation()
    matrix = np.zeros((runner.spec.class_count, runner.spec.class_count), dtype=np.int64)
    for frame, labels in zip(split.images, split.labels, strict=True):
        matrix += confusion_matrix(labels, runner(frame[None])[0], runner.spec.class_count)
        on_frame()
    return accuracy(matrix, runner.spec.class_names)
