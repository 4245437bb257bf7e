"""Draws the pictures of videos, windows and previews."""

import time
from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np

from segdata.labels import Colour
from segdata.spec import ModelSpec
from segdata.video.picture import Picture
from segdata.video.yuv import ColourCoding
from segrun.drawing.legend import Legend, Ranking, SpeedText
from segrun.drawing.look import Look
from segrun.drawing.overlay import Overlay
from segrun.drawing.strip import Strip
from segrun.frame import Segmented

_FRAMES_OF_SPEED = 30
_NO_CLASS = ("unlabelled", "unlabeled", "void")  # the picture shows through, as at the bonnet of the car


def _viridis() -> tuple[Colour, ...]:
    """Return 256 RGB colours from dark blue to yellow, of evenly rising lightness."""
    bgr = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)[:, 0]
    return tuple((int(red), int(green), int(blue)) for blue, green, red in bgr)


_SURENESS = _viridis()  # of a confidence from 0 to 255


_SCALE = tuple((f"{sure} %", _SURENESS[round(2.55 * sure)]) for sure in (100, 75, 50, 25, 0))


class Drawing:
    """Draws the overlay and, if asked, the legend of what is there and the speed, frames a second, of the last frames.

    The legend is at the top left; side by side, it is in a strip under the picture.
    """

    def __init__(self, spec: ModelSpec, look: Look = Look()) -> None:  # noqa: B008 - it is frozen
        self._look = look
        self._names = [name for name in spec.class_names if name not in (*_NO_CLASS, *look.hidden)]
        self._colours = dict(zip(spec.class_names, spec.colours, strict=True))
        clear = [index for index, name in enumerate(spec.class_names) if name not in self._names]
        self._shows_confidence = look.view == "confidence"
        self._overlay = (
            Overlay(_SURENESS, 1.0, "mask", contours=False)
            if self._shows_confidence
            else Overlay(spec.colours, look.alpha, look.view, clear=clear, outlines=look.outlines)
        )
        self._ranking = Ranking(left_out=[spec.class_names[index] for index in clear])
        self._made_for: tuple[int, int, ColourCoding] | None = None
        self._entries: Sequence[tuple[str, Colour]] | None = None
        self._times: deque[float] = deque(maxlen=_FRAMES_OF_SPEED)

    def draw(self, segmented: Segmented) -> Picture:
        """Return the picture of a segmented frame; the frame's own is left as it is."""
        shown = segmented.confidence if self._shows_confidence else segmented.labels
        assert shown is not None, "the model has a confidence: it was asked for"
        picture = self._overlay.draw(segmented.frame.picture, shown)
        if not (self._look.legend or self._look.show_fps):
            return picture
        size = (picture.height, picture.width, picture.coding)
        if size != self._made_for:
            self._speed, self._strip = SpeedText(*size), Strip(self._names, *size)
            self._made_for, self._entries = size, None
        if self._look.show_fps:
            self._times.append(time.perf_counter())
            if len(self._times) > 1:
                self._speed.draw(picture, f"{(len(self._times) - 1) / (self._times[-1] - self._times[0]):.1f} FPS")
        return self._with_legend(picture, segmented) if self._look.legend else picture

    def _with_legend(self, picture: Picture, segmented: Segmented) -> Picture:
        if self._shows_confidence:
            entries: Sequence[tuple[str, Colour]] = _SCALE
        else:
            entries = [(name, self._colours[name]) for name in self._ranking(segmented)]
        if self._look.view == "side-by-side":
            return self._strip.under(picture, entries)
        if entries != self._entries:
            self._entries = entries
            self._legend = Legend(entries, picture.height, picture.width, picture.coding)
        self._legend.draw(picture)
        return picture
