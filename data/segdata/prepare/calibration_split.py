"""Splits val into frames that calibrate INT8 and frames that measure accuracy. No frame does both."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CALIBRATION_SHARE = 5
"""One validation frame in this many calibrates: 100 of the 500 of Cityscapes val."""


def choose_calibration(class_pixels: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Return the sorted indices of the frames to calibrate on, chosen so that rare classes occur.

    `class_pixels` is int64 [N, C]: how many pixels of each class each frame has. In a seeded random order, frames are
    taken for the class that is least covered so far (the one seen in fewest chosen frames among those that occur in
    frames still free), and the first free frame that has it is taken. Deterministic in its arguments.
    """
    wanted = len(class_pixels) // CALIBRATION_SHARE
    has_class = class_pixels > 0
    free = list(np.random.default_rng(seed).permutation(len(class_pixels)))
    coverage = np.zeros(class_pixels.shape[1], dtype=np.int64)
    chosen: list[int] = []
    while len(chosen) < wanted:
        available = has_class[free].any(axis=0)
        if available.any():
            rarest = int(np.where(available, coverage, np.iinfo(np.int64).max).argmin())
            frame = next(index for index in free if has_class[index, rarest])
        else:
            frame = free[0]
        free.remove(frame)
        chosen.append(int(frame))
        coverage += has_class[frame]
    return np.sort(np.asarray(chosen, dtype=np.int64))


def hash_of_frames(image_sha256: Sequence[str]) -> str:
    """Return one SHA-256 for a set of frames, from the SHA-256 of each image file; their order does not matter."""
    return hashlib.sha256("\n".join(sorted(image_sha256)).encode()).hexdigest()
