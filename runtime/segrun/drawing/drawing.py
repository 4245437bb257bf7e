"""Draws the pictures of videos, windows and previews."""

import time
from collections import deque

import cv2
import numpy as np

from segdata.labels import Colour
from segdata.spec import ModelSpec
from segdata.video.picture import Picture
from segdata.video.yuv import ColourCoding
from segrun.drawing.legend import Legend, SpeedText
from segrun.drawing.overlay import Overlay
from segrun.frame import Segmented
from segrun.options import View

_FRAMES_OF_SPEED = 30
_NO_CLASS = ("unlabelled", "unlabeled", "void")  # the picture shows through, as at the bonnet of the car


def _viridis() -> tuple[Colour, ...]:
    """Return 256 RGB colours from dark blue to yellow, of evenly rising lightness."""
    bgr = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)[:, 0]
    return tuple((int(red), int(green), int(blue)) for blue, green, red in bgr)


_SURENESS = _viridis()  # of a confidence from 0 to 255


class Drawing:
    """Draws the overlay and, if asked, the legend of the classes and the speed, frames a second, of the last frames."""

    def __init__(
        self, spec: ModelSpec, view: View = "overlay", alpha: float = 0.5, legend: bool = False, show_fps: bool = False
    ) -> None:
        self._spec = spec
        self._shows_confidence = view == "confidence"
        clear = [index for index, name in enumerate(spec.class_names) if name in _NO_CLASS]
        self._overlay = (
            Overlay(_SURENESS, 1.0, "mask", contours=False)
            if self._shows_confidence
            else Overlay(spec.colours, alpha, view, clear=clear)
        )
        self._wants_legend, self._wants_speed = legend, show_fps
        self._made_for: tuple[int, int, ColourCoding] | None = None
        self._times: deque[float] = deque(maxlen=_FRAMES_OF_SPEED)

    def draw(self, segmented: Segmented) -> Picture:
        """Return the picture of a segmented frame; the frame's own is left as it is."""
        shown = segmented.confidence if self._shows_confidence else segmented.labels
        assert shown is not None, "the model has a confidence: it was asked for"
        picture = self._overlay.draw(segmented.frame.picture, shown)
        if not (self._wants_legend or self._wants_speed):
            return picture
        size = (picture.height, picture.width, picture.coding)
        if size != self._made_for:
            self._legend = Legend(self._spec.class_names, self._spec.colours, *size)
            self._speed = SpeedText(*size)
            self._made_for = size
        if self._wants_legend:
            self._legend.draw(picture)
        if self._wants_speed:
            self._times.append(time.perf_counter())
            if len(self._times) > 1:
                self._speed.draw(picture, f"{(len(self._times) - 1) / (self._times[-1] - self._times[0]):.1f} FPS")
        return picture
