"""A small translucent drawing that is rendered once and blended into many pictures."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segdata.labels import Colour
from segdata.video.picture import Picture
from segdata.video.yuv import ColourCoding

FINER = 4  # drawn this many times larger and then averaged: smooth edges, also where letters are 7 pixels high
FONT = cv2.FONT_HERSHEY_SIMPLEX
BOX, BOX_OPACITY = (16, 18, 22), 0.68  # RGB
EDGE = (120, 124, 130)

_Plane = npt.NDArray[np.uint16]


class Sketch:
    """A dark, see-through box with round corners, to be drawn on; `height` and `width` in pixels, both even."""

    def __init__(self, height: int, width: int, corner: int) -> None:
        self.height, self.width = height, width
        self._ink = np.zeros((height * FINER, width * FINER, 3), np.uint8)
        self._covered = np.zeros((height * FINER, width * FINER), np.uint8)
        self._box = np.zeros_like(self._covered)
        _round_rectangle(self._box, corner * FINER)

    def swatch(self, left: int, top: int, size: int, colour: Colour) -> None:
        """Show RGB `colour` in a square, in pixels from the box's top left, with an edge that dark ones need."""
        edge = max(FINER // 2, size * FINER // 16)
        first_x, first_y, length = left * FINER, top * FINER, size * FINER
        self._covered[first_y : first_y + length, first_x : first_x + length] = 255
        self._ink[first_y : first_y + length, first_x : first_x + length] = EDGE
        inside = np.s_[first_y + edge : first_y + length - edge, first_x + edge : first_x + length - edge]
        self._ink[inside] = colour

    def text(self, text: str, left: int, baseline: int, size: float, colour: Colour) -> None:
        """Write `text` on a baseline; `size` is the height of its capital letters, all in pixels."""
        scale, thickness = _font(size)
        origin = left * FINER, baseline * FINER
        cv2.putText(self._ink, text, origin, FONT, scale, colour, thickness, cv2.LINE_AA)
        cv2.putText(self._covered, text, origin, FONT, scale, 255, thickness, cv2.LINE_AA)

    def stamp(self, top: int, left: int, coding: ColourCoding) -> "Stamp":
        """Return the drawing to be put at `top` and `left`, even numbers of pixels, in pictures of this coding."""
        covered, box = (self._shrunk(mask)[..., None] / 255 for mask in (self._covered, self._box))
        under = (1 - covered) * box * BOX_OPACITY
        opacity = covered + under
        # The ink was drawn on black, so it is already multiplied by its coverage.
        colour = (self._shrunk(self._ink) + under * np.array(BOX)) / np.maximum(opacity, 1 / 255)
        coded = coding.from_rgb(colour.round().clip(0, 255).astype(np.uint8))
        planes = (_blend(opacity[..., 0], coded[..., channel], shrink) for channel, shrink in enumerate((1, 2, 2)))
        return Stamp(top, left, tuple(planes))

    def _shrunk(self, drawn: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        size = self.width, self.height
        return np.asarray(cv2.resize(drawn, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


@dataclass(frozen=True)
class _Blend:
    """How one plane changes: value * `kept` / 256 + `added` / 256."""

    kept: _Plane
    added: _Plane

    def apply(self, plane: npt.NDArray[np.uint8], top: int, left: int) -> None:
        height, width = self.kept.shape
        part = plane[top : top + height, left : left + width]
        mixed = part * self.kept
        mixed += self.added
        mixed >>= 8
        part[:] = mixed


def _blend(opacity: npt.NDArray[np.float64], values: npt.NDArray[np.uint8], shrink: int) -> _Blend:
    size = opacity.shape[1] // shrink, opacity.shape[0] // shrink
    kept = 256 - np.round(256 * cv2.resize(opacity, size, interpolation=cv2.INTER_AREA))
    added = np.round(256 * cv2.resize(opacity * values, size, interpolation=cv2.INTER_AREA))
    return _Blend(kept.astype(np.uint16), added.astype(np.uint16))


@dataclass(frozen=True)
class Stamp:
    """A drawing that is blended into a picture in a tenth of a millisecond."""

    top: int
    left: int
    planes: tuple[_Blend, ...]

    def draw(self, picture: Picture) -> None:
        """Blend the drawing into `picture`, which must be large enough."""
        for blend, plane, shrink in zip(self.planes, picture.planes, (1, 2, 2), strict=True):
            blend.apply(plane, self.top // shrink, self.left // shrink)


def text_width(text: str, size: float) -> int:
    """Return how many pixels `text` takes if its capital letters are `size` pixels high, rounded up."""
    scale, thickness = _font(size)
    return -(-cv2.getTextSize(text, FONT, scale, thickness)[0][0] // FINER)


def _font(size: float) -> tuple[float, int]:
    """Return OpenCV's scale and thickness of letters `size` pixels high: a capital is 21 units of its design."""
    return size * FINER / 21, max(1, round(size * FINER / 7.5))


def _round_rectangle(mask: npt.NDArray[np.uint8], corner: int) -> None:
    """Fill `mask` except for its corners, which are quarters of circles."""
    bottom, right = mask.shape[0] - 1, mask.shape[1] - 1
    cv2.rectangle(mask, (corner, 0), (right - corner, bottom), 255, cv2.FILLED)
    cv2.rectangle(mask, (0, corner), (right, bottom - corner), 255, cv2.FILLED)
    for across in (corner, right - corner):
        for down in (corner, bottom - corner):
            cv2.circle(mask, (across, down), corner, 255, cv2.FILLED)
