"""Data: label spaces, the model spec, datasets, metrics, synthetic scenes."""

import os
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segdata.dataset import Dataset
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

# Imported on first use: `--help` needs none of their libraries.
_PLACES = {
    "Dataset": "segdata.dataset",
    "EdgeSegError": "segdata.errors",
    "LabelSpace": "segdata.labels",
    "ModelSpec": "segdata.spec",
    "accuracy": "segdata.metrics",
    "confusion_matrix": "segdata.metrics",
    "read_labels": "segdata.video.label_video",
}

# OpenCV reads it when it is loaded, after this. A PNG of a few kilobytes may say it has a thousand million pixels,
# OpenCV's own limit, and take 3 GB.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 26))
# What is wrong with a file is told in one line; OpenCV would add its own, with the places in its source.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
