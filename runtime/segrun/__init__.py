"""Runtime: runners, and video in and out. Needs no PyTorch."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from segdata.lazy import imported_from

if TYPE_CHECKING:
    from segrun.frame import Segmented
    from segrun.options import RunOptions
    from segrun.runners.base import Runner
    from segrun.runners.open import open_runner
    from segrun.segmented_image import SegmentedImage
    from segrun.segmenter import Segmenter

__all__ = ["RunOptions", "Runner", "Segmented", "SegmentedImage", "Segmenter", "__version__", "open_runner"]
__version__ = version("edgeseg")

__getattr__ = imported_from(
    __name__,
    {
        "RunOptions": "segrun.options",
        "Runner": "segrun.runners.base",
        "Segmented": "segrun.frame",
        "SegmentedImage": "segrun.segmented_image",
        "Segmenter": "segrun.segmenter",
        "open_runner": "segrun.runners.open",
    },
)
