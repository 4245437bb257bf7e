"""The shapes of regions, filled as the tool that wrote them fills them: pixel by pixel the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from segdata.errors import InputError
from segdata.formats.reading.run_lengths import Counts, brush_alpha, inside
from segdata.images.image_file import decode_image

_CORNERS = 90  # of an ellipse
_LONGEST_OUTLINE = 1e6  # pixels; pycocotools keeps each fifth of one

Points = npt.NDArray[np.float64]
"""Corners in pixels, x and y, float64 [N, 2]."""


@dataclass(frozen=True)
class Mask:
    """Which pixels of a box are in a region: bool [h, w], and where its top left corner is."""

    pixels: npt.NDArray[np.bool_]
    top: int = 0
    left: int = 0


class Shape(Protocol):
    """What a region covers."""

    def mask(self, height: int, width: int) -> Mask:
        """Return its pixels in an image of this size; raise InputError if it cannot be one of this size."""
        ...


def points_of(numbers: object) -> Points:
    """Return the corners of a polygon, float64 [N, 2], from x, y, x, y, ... or pairs of them.

    Raises InputError unless they are finite numbers of three corners or more, of an outline that can be drawn.
    """
    try:
        flat = np.asarray(numbers, np.float64)
    except (ValueError, TypeError, OverflowError):
        raise InputError("a polygon that is not a list of numbers") from None
    if flat.ndim not in (1, 2) or flat.size % 2 or (flat.ndim == 2 and flat.shape[1] != 2):
        raise InputError("a polygon that is not a list of x and y")
    points = flat.reshape(-1, 2)
    if len(points) < 3:
        raise InputError(f"a polygon of {len(points)} points, need 3 or more")
    return finite(points)


def ellipse(x: float, y: float, across: float, down: float) -> Points:
    """Return an ellipse about x and y as corners, [90, 2], half of it `across` wide and half of it `down` high."""
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    return np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], axis=1)


def turned(points: Points, about: tuple[float, float], degrees: float) -> Points:
    """Return `points` turned clockwise on the screen; raise InputError as `finite` does."""
    angle = np.deg2rad(degrees)
    turn = np.asarray([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return finite(np.asarray((points - about) @ turn + about))


def finite(points: Points) -> Points:
    """Return `points`; raise InputError if one is not finite, or their outline is too long to draw."""
    farthest = np.abs(points).max(initial=0)
    if farthest < _LONGEST_OUTLINE / (4 * len(points) + 1):  # as nearly always: no side is longer than 4 times that
        return points
    if not np.isfinite(farthest):
        raise InputError("a polygon with a corner that is not finite")
    outline = np.abs(points[1:] - points[:-1]).sum() + np.abs(points[-1:] - points[:1]).sum()
    if max(farthest, outline) > _LONGEST_OUTLINE:
        raise InputError(f"a polygon with an outline longer than {_LONGEST_OUTLINE:.0e} pixels")
    return points


@dataclass(frozen=True)
class RowRuns:
    """CVAT's RLE: counts row by row of a box of `height` x `width`, which may extend beyond the image."""

    counts: Counts
    top: int
    left: int
    height: int
    width: int

    def mask(self, height: int, width: int) -> Mask:
        """Return the pixels that are in the image."""
        return _cut(inside(self.counts).reshape(self.height, self.width), self.top, self.left, height, width)


@dataclass(frozen=True)
class Brush:
    """Label Studio's brush: its code, of an image of `height` x `width`."""

    code: bytes
    height: int
    width: int

    def mask(self, height: int, width: int) -> Mask:
        """Return the pixels that are not transparent."""
        return _cut(brush_alpha(self.code, self.height, self.width) > 0, 0, 0, height, width)


@dataclass(frozen=True)
class StoredMask:
    """labelme's mask: an image file whose pixels above 0 are in the region, at `top` and `left`."""

    data: bytes
    top: int
    left: int

    def mask(self, height: int, width: int) -> Mask:
        """Return the pixels that are in the image."""
        image = decode_image(self.data, cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise InputError("a mask that is not a whole image")
        return _cut(image > 0, self.top, self.left, height, width)


@dataclass(frozen=True)
class RelativePolygon:
    """A polygon in shares of width and height, filled as Ultralytics does: cut to whole pixels, outline included."""

    points: Points

    def mask(self, height: int, width: int) -> Mask:
        """Return the pixels."""
        corners = finite(self.points * (width, height)).astype(np.int32)
        left, top = (max(side, 0) for side in corners.min(axis=0).tolist())
        right, bottom = np.minimum(corners.max(axis=0) + 1, (width, height)).tolist()
        filled = np.zeros((max(bottom - top, 0), max(right - left, 0)), np.uint8)
        if filled.size:
            cv2.fillPoly(filled, [corners], (1,), offset=(-left, -top))
        return Mask(filled.astype(np.bool_), top, left)


@dataclass(frozen=True)
class DrawnShape:
    """A shape of labelme, drawn as its `shape_to_mask` does: by Pillow, lines of 10 pixels, points of 5."""

    kind: str
    points: Sequence[tuple[float, float]]

    def mask(self, height: int, width: int) -> Mask:
        """Return the pixels."""
        image = Image.new("L", (width, height))
        draw = ImageDraw.Draw(image)
        points = list(self.points)
        if self.kind == "circle":
            (x, y), (edge_x, edge_y) = points
            radius = float(np.hypot(x - edge_x, y - edge_y))
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], outline=1, fill=1)
        elif self.kind == "rectangle":
            (x, y), (other_x, other_y) = points
            corners = [min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y)]
            draw.rectangle(corners, outline=1, fill=1)
        elif self.kind in ("line", "linestrip"):
            draw.line(points, fill=1, width=10)
        elif self.kind == "point":
            ((x, y),) = points
            draw.ellipse([x - 5, y - 5, x + 5, y + 5], outline=1, fill=1)
        else:
            draw.polygon(points, outline=1, fill=1)
        return Mask(np.asarray(image, np.bool_))


def _cut(pixels: npt.NDArray[np.bool_], top: int, left: int, height: int, width: int) -> Mask:
    """Return the part of a box that is in an image of `height` x `width`."""
    first_row, first_column = max(top, 0), max(left, 0)
    last_row, last_column = min(top + pixels.shape[0], height), min(left + pixels.shape[1], width)
    if last_row <= first_row or last_column <= first_column:
        return Mask(np.zeros((0, 0), np.bool_))
    part = pixels[first_row - top : last_row - top, first_column - left : last_column - left]
    return Mask(part, first_row, first_column)
