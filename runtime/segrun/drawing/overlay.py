"""Draws labels over pictures in YUV: no picture is converted to RGB and back."""

from collections.abc import Collection, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from segdata.labels import Colour, palette
from segdata.video.picture import Picture, Plane
from segdata.video.yuv import ColourCoding
from segrun.drawing.contours import smooth_contours
from segrun.options import View
from segrun.runners.base import Labels


class Overlay:
    """Shows labels in the classes' colours: over the picture, instead of it ("mask"), or beside it ("side-by-side").

    `alpha` is the share of the colour in the overlay, 0 to 1; the picture shows through `clear` ids, and those that
    have no colour. Colours are chosen at about the network's size and then enlarged: ten times faster than the other
    way round. `contours` cuts off the stairs where classes meet: for labels, not for numbers such as a confidence.
    """

    def __init__(
        self,
        colours: tuple[Colour, ...],
        alpha: float,
        view: View = "overlay",
        *,
        clear: Collection[int] = (),
        contours: bool = True,
    ) -> None:
        self._palette = palette(colours)
        self._alpha = alpha
        self._view = view
        self._contours = contours
        self._clear = np.zeros(256, np.uint8)
        self._clear[[*clear, *range(len(colours), 256)]] = 255
        self._coded: dict[ColourCoding, npt.NDArray[np.uint8]] = {}

    def draw(self, picture: Picture, labels: Labels) -> Picture:
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
        # Chroma has half the size, and eyes do not see its stairs: that saves a third of the time.
        self._cover(picture, (fine, labels, labels), targets)
        return drawn

    def _cover(self, picture: Picture, labels: Sequence[Labels], targets: Sequence[Plane]) -> None:
        """Colour `targets`, each plane by labels of its own."""
        colours = self._colours(picture.coding)
        for channel, (source, target, shown) in enumerate(zip(picture.planes, targets, labels, strict=True)):
            small = cv2.LUT(shown, colours[:, channel])
            cv2.resize(small, (target.shape[1], target.shape[0]), dst=target, interpolation=cv2.INTER_LINEAR)
            if self._view != "mask":
                cv2.addWeighted(source, 1 - self._alpha, target, self._alpha, 0, dst=target)
                _copy_where(np.asarray(cv2.LUT(shown, self._clear), np.uint8), source, target)

    def _colours(self, coding: ColourCoding) -> npt.NDArray[np.uint8]:
        if coding not in self._coded:
            self._coded[coding] = np.asfortranarray(coding.from_rgb(self._palette))
        return self._coded[coding]


def _copy_where(mask: npt.NDArray[np.uint8], source: Plane, target: Plane) -> None:
    """Copy `source` to `target` where `mask`, uint8 [h, w] of any size, is not 0; only rows that have any are read."""
    if not cv2.countNonZero(mask):
        return
    _, top, _, rows = cv2.boundingRect(mask)
    first, last = (row * len(target) // len(mask) for row in (top, top + rows))
    if first == last:  # the picture is smaller than its labels
        return
    enlarged = cv2.resize(mask[top : top + rows], (target.shape[1], last - first), interpolation=cv2.INTER_NEAREST)
    cv2.copyTo(source[first:last], enlarged, target[first:last])
