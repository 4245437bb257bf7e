"""Draws labels over pictures in YUV: no picture is converted to RGB and back."""

from collections.abc import Collection, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from segdata.labels import Colour, LabelMap, palette
from segdata.video.picture import Picture, Plane
from segdata.video.yuv import ColourCoding
from segrun.options import View


def smooth_contours(values: Plane, height: int, width: int) -> Plane:
    """Return `values`, uint8 [h, w], for a picture of `height` x `width`: twice as fine, with corners cut off.

    Each new pixel has the median of the nine around it. Where two values meet, such as the ids of two classes, that is
    the commoner one; where three meet it is one of the three. Straight edges and lines of one pixel stay, a single
    pixel disappears. Values are returned unchanged where the picture is not twice as large.
    """
    rows, columns = values.shape
    if height < 2 * rows or width < 2 * columns:
        return values
    return np.asarray(cv2.medianBlur(_doubled(values), 3), np.uint8)


def _doubled(values: Plane) -> Plane:
    """Return each pixel four times; pairs are written as one number, six times faster than OpenCV's resize."""
    rows, columns = values.shape
    doubled = np.empty((2 * rows, 2 * columns), np.uint8)
    pairs = values.astype(np.uint16) * 257
    doubled.view(np.uint16).reshape(rows, 2, columns)[:] = pairs[:, None]
    return doubled


_BRIGHT = 235  # luma: white in limited range


class Overlay:
    """Shows labels in the classes' colours: over the picture, instead of it ("mask"), or beside it ("side-by-side").

    `alpha` is the share of the colour in the overlay, 0 to 1; the picture shows through `clear` ids, and those that
    have no colour. Colours are looked up at about the network's size and then enlarged: ten times faster than after.
    `contours` cuts off the stairs where classes meet: for labels, not for numbers such as a confidence. `outlines`
    draws a bright line between classes.
    """

    def __init__(
        self,
        colours: tuple[Colour, ...],
        alpha: float,
        view: View = "overlay",
        *,
        clear: Collection[int] = (),
        contours: bool = True,
        outlines: bool = False,
    ) -> None:
        self._palette = palette(colours)
        self._alpha = alpha
        self._view = view
        self._contours, self._outlines = contours, outlines
        self._clear = np.zeros(256, np.uint8)
        self._clear[[*clear, *range(len(colours), 256)]] = 255
        self._coded: dict[ColourCoding, npt.NDArray[np.uint8]] = {}

    def draw(self, picture: Picture, labels: LabelMap) -> Picture:
        """Return a new picture from `picture` and `labels`, uint8 [h, w] of any size; `picture` is left as it is.

        Side by side, it is twice as wide, and an odd size is made even first.
        """
        if self._view == "side-by-side":
            picture = picture.even()
            drawn = picture.blank_alike(picture.height, 2 * picture.width)
            for target, source in zip(drawn.planes, picture.planes, strict=True):
                target[:, : source.shape[1]] = source
            targets = [target[:, target.shape[1] // 2 :] for target in drawn.planes]
        else:
            drawn = picture.blank_alike(picture.height, picture.width)
            targets = list(drawn.planes)
        fine = smooth_contours(labels, picture.height, picture.width) if self._contours else labels
        # Chroma has half the size, and its stairs are not visible: that saves a third of the time.
        self._cover(picture, (fine, labels, labels), targets)
        if self._outlines:
            _outline(smooth_contours(fine, *targets[0].shape), targets[0])
        return drawn

    def _cover(self, picture: Picture, labels: Sequence[LabelMap], targets: Sequence[Plane]) -> None:
        """Colour `targets`, each plane by labels of its own."""
        colours = self._colours(picture.coding)
        for channel, (source, target, shown) in enumerate(zip(picture.planes, targets, labels, strict=True)):
            small = np.asarray(cv2.LUT(shown, colours[:, channel]), np.uint8)
            if channel == 0 and self._contours:  # once more, where the picture is larger still
                small = smooth_contours(small, *target.shape)
            cv2.resize(small, (target.shape[1], target.shape[0]), dst=target, interpolation=cv2.INTER_LINEAR)
            if self._view != "mask":
                cv2.addWeighted(source, 1 - self._alpha, target, self._alpha, 0, dst=target)
                _copy_where(np.asarray(cv2.LUT(shown, self._clear), np.uint8), source, target)

    def _colours(self, coding: ColourCoding) -> npt.NDArray[np.uint8]:
        if coding not in self._coded:
            self._coded[coding] = np.asfortranarray(coding.from_rgb(self._palette))
        return self._coded[coding]


def _outline(labels: LabelMap, luma: Plane) -> None:
    """Make `luma` bright where two of `labels`, uint8 [h, w] of any size, meet."""
    corner = np.ones((2, 2), np.uint8)
    meeting = np.where(cv2.dilate(labels, corner) != cv2.erode(labels, corner), np.uint8(_BRIGHT), np.uint8(0))
    size = luma.shape[1], luma.shape[0]
    cv2.max(luma, cv2.resize(meeting, size, interpolation=cv2.INTER_LINEAR), dst=luma)


def _copy_where(mask: npt.NDArray[np.uint8], source: Plane, target: Plane) -> None:
    """Copy `source` to `target` where `mask`, uint8 [h, w] of any size, is not 0; only rows with any are read."""
    if not cv2.countNonZero(mask):
        return
    _, top, _, rows = cv2.boundingRect(mask)
    first, last = (row * len(target) // len(mask) for row in (top, top + rows))
    if first == last:  # the picture is smaller than its labels
        return
    part = smooth_contours(mask[top : top + rows], last - first, target.shape[1])
    enlarged = cv2.resize(part, (target.shape[1], last - first), interpolation=cv2.INTER_NEAREST)
    cv2.copyTo(source[first:last], enlarged, target[first:last])
