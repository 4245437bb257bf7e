"""Runtime: runners, and video in and out. Needs no PyTorch."""

import segdata  # noqa: F401 - limits OpenCV, which must not be loaded before
