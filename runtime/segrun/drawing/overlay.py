"""Draws labels over pictures in YUV: no picture is converted to RGB and back."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from segdata.labels import Colour, palette
from segdata.video.picture import Picture, Plane
from segdata.video.yuv import ColourCoding
from segrun.options import View
from segrun.runners.base import Labels


class Overlay:
    """Shows labels in the classes' colours: over the picture, instead of it ("mask"), or beside it ("side-by-side").

    `alpha` is the share of the colour in the overlay, 0 to 1. Colours are chosen at the network's size and then
    enlarged: ten times faster than the other way round, and edges come out smooth instead of in blocks.
    """

    def __init__(self, colours: tuple[Colour, ...], alpha: float, view: View = "overlay") -> None:
        self._palette = palette(colours)
        self._alpha = alpha
        self._view = view
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
            right = [target[:, target.shape[1] // 2 :] for target in drawn.planes]
            self._cover(picture, labels, right)
        else:
            drawn = picture.blank_alike(picture.height, picture.width)
            self._cover(picture, labels, drawn.planes)
        return drawn

    def _cover(self, picture: Picture, labels: Labels, targets: Sequence[Plane]) -> None:
        colours = self._colours(picture.coding)
        for channel, (source, target) in enumerate(zip(picture.planes, targets, strict=True)):
            height, width = target.shape
            small = cv2.LUT(labels, colours[:, channel])
            cv2.resize(small, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
            if self._view != "mask":
                cv2.addWeighted(source, 1 - self._alpha, target, self._alpha, 0, dst=target)

    def _colours(self, coding: ColourCoding) -> npt.NDArray[np.uint8]:
        if coding not in self._coded:
            self._coded[coding] = np.asfortranarray(coding.from_rgb(self._palette))
        return self._coded[coding]
