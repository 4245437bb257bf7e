"""Data: label spaces, the model spec, datasets, metrics, synthetic scenes."""

import os
from importlib.metadata import version
from typing import TYPE_CHECKING

from segdata.lazy import imported_from

if TYPE_CHECKING:
    from segdata.dataset.dataset import Dataset
    from segdata.errors import EdgeSegError
    from segdata.labels import LabelSpace
    from segdata.metrics import accuracy, confusion_matrix
    from segdata.spec import ModelSpec
    from segdata.video.label_video import read_labels

__all__ = [
    "Dataset",
    "EdgeSegError",
    "LabelSpace",
    "ModelSpec",
    "__version__",
    "accuracy",
    "confusion_matrix",
    "read_labels",
]
__version__ = version("edgeseg")

__getattr__ = imported_from(
    __name__,
    {
        "Dataset": "segdata.dataset.dataset",
        "EdgeSegError": "segdata.errors",
        "LabelSpace": "segdata.labels",
        "ModelSpec": "segdata.spec",
        "accuracy": "segdata.metrics",
        "confusion_matrix": "segdata.metrics",
        "read_labels": "segdata.video.label_video",
    },
)

# OpenCV reads it when it is loaded, after this. A PNG of a few kilobytes may say it has a thousand million pixels,
# OpenCV's own limit, and take 3 GB.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 26))
# What is wrong with a file is told in one line; OpenCV would add its own, with the places in its source.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
