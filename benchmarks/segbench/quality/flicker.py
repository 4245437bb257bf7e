"""Measures flicker: how many pixels change their class from one frame to the next although nothing moved there.

Where something moves, labels must change, and the video has no true labels; but where the picture stood still, a change
is the network's error. Varghese et al. 2020 (Unsupervised Temporal Consistency Metric for Video Segmentation) carry
labels along the optical flow and compare them everywhere; where nothing moved, nothing needs to be carried, so
errors of the flow cannot be taken for the network's. Stillness is judged at the network's size: a smaller network,
whose pixels are larger, is judged on more of the picture, so only compare figures of one size.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from segdata.labels import LabelMap

STILL_FLOW = 0.5  # pixels: labels are whole pixels, and half a pixel is still nearest to itself
STILL_GREY = 4  # of 255: the effect of noise and compression on a still pixel; a change of light is larger

Mask = npt.NDArray[np.bool_]


class Flicker:
    """Counts flicker frame by frame, for one or several networks on the same frames; keeps only the last frame."""

    def __init__(self) -> None:
        self._grey: npt.NDArray[np.uint8] | None = None
        self._labels: Sequence[LabelMap] = ()
        self._pixels = self._still = 0
        self._changed: list[int] = []

    def add(self, image: npt.NDArray[np.uint8], labels: Sequence[LabelMap]) -> None:
        """Take the next frame at the networks' size, RGB uint8 [h, w, 3], and the labels of each, uint8 [h, w]."""
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        if self._grey is None:
            self._changed = [0] * len(labels)
        else:
            still = still_pixels(self._grey, grey)
            self._pixels += still.size
            self._still += int(np.count_nonzero(still))
            for index, (before, after) in enumerate(zip(self._labels, labels, strict=True)):
                self._changed[index] += int(np.count_nonzero(still & (before != after)))
        self._grey, self._labels = grey, labels

    @property
    def still_share(self) -> float:
        """The share of pixels, over all pairs of frames, where nothing moved, 0 to 1; 0 if there is no pair."""
        return self._still / self._pixels if self._pixels else 0.0

    @property
    def shares(self) -> tuple[float | None, ...]:
        """For each network, the share of the still pixels that changed their class; None if nothing was still."""
        return tuple(changed / self._still if self._still else None for changed in self._changed)


def still_pixels(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> Mask:
    """Return bool [h, w]: where nothing moved between two consecutive grey images, uint8 [h, w].

    Nothing moved where the optical flow is below `STILL_FLOW` and the grey value changed by `STILL_GREY` or less: flow
    alone does not see a lamp go on. The flow is DIS (Kroeger et al. 2016, Fast Optical Flow using Dense Inverse
    Search). Farnebäck's (2003) stands still wherever there is little texture, as on a road driven along: of a street
    shifted by one pixel it called 37 % still, DIS none, in half the time. In noise DIS sees motion where there is none,
    which only leaves fewer pixels to judge.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(before, after, np.empty((0,)))
    return (np.hypot(flow[..., 0], flow[..., 1]) < STILL_FLOW) & (cv2.absdiff(before, after) <= STILL_GREY)
