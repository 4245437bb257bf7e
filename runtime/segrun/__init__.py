"""Runtime: runners, and video in and out. Needs no PyTorch."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import segdata  # noqa: F401 - limits OpenCV, which must not be loaded before

if TYPE_CHECKING:
    from segrun.frame import Segmented
    from segrun.options import RunOptions
    from segrun.runners.base import Runner
    from segrun.runners.open import open_runner
    from segrun.segmented_image import SegmentedImage
    from segrun.segmenter import Segmenter

__all__ = ["RunOptions", "Runner", "Segmented", "SegmentedImage", "Segmenter", "__version__", "open_runner"]
__version__ = version("edgeseg")

# Imported on first use: `--help` needs none of their libraries.
_PLACES = {
    "RunOptions": "segrun.options",
    "Runner": "segrun.runners.base",
    "Segmented": "segrun.frame",
    "SegmentedImage": "segrun.segmented_image",
    "Segmenter": "segrun.segmenter",
    "open_runner": "segrun.runners.open",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
