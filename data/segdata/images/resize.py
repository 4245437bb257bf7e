"""How datasets and images are resized. Video frames are shrunk by the same kind of filter (`segdata.video.picture`)."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segdata.labels import LabelMap

_VOTES = 1 << 16  # that are counted at once


def resize_frame(frame: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return `frame`, uint8 [H, W, 3], at `height` x `width`, averaged over the area of each new pixel.

    Area averaging does not alias, and equals the antialiased bilinear filter of video scalers closely enough that
    a network trained on one may be fed by the other.
    """
    if frame.shape[:2] == (height, width):
        return frame
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def resize_labels(labels: LabelMap, height: int, width: int) -> LabelMap:
    """Return `labels`, uint8 [H, W] class ids, at `height` x `width`, by majority vote in each new pixel.

    Nearest-neighbour would drop poles and signs that are thinner than a new pixel by chance; the vote is decided by
    covered area, 255 (ignore) votes like a class, and a tie goes to the lower id.
    """
    if labels.shape == (height, width):
        return labels
    tops, row_weights = _covered(labels.shape[0], height)
    lefts, column_weights = _covered(labels.shape[1], width)
    window = np.ones((row_weights.shape[1], column_weights.shape[1]), np.uint8)
    lowest = cv2.erode(labels, window, anchor=(0, 0))[tops][:, lefts]
    highest = cv2.dilate(labels, window, anchor=(0, 0))[tops][:, lefts]
    # Most new pixels see one class alone; only the others vote.
    rows, columns = np.divmod(np.flatnonzero(lowest != highest), width)  # a tenth of the time of np.nonzero
    old_rows, old_columns = (
        np.minimum(first[:, None] + np.arange(count), size - 1)
        for first, count, size in zip((tops, lefts), window.shape, labels.shape, strict=True)
    )
    for begin in range(0, len(rows), step := max(1, _VOTES // window.size)):
        row, column = rows[begin : begin + step], columns[begin : begin + step]
        seen = labels.take(old_rows[row][:, :, None] * labels.shape[1] + old_columns[column][:, None, :])
        lowest[row, column] = _elected(seen, row_weights[row][:, :, None] * column_weights[column][:, None, :])
    return np.asarray(lowest, np.uint8)


def _covered(old: int, new: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the first old pixel that each of `new` pixels covers, [new], and how much of it and those after, [new, K].

    In units of which an old pixel has `new` and a new pixel `old`, so that all is whole and float64 exact.
    """
    starts = np.arange(new) * old
    first = starts // new
    pixels = first[:, None] + np.arange(int((-(-(starts + old) // new) - first).max()))
    overlap = np.minimum((pixels + 1) * new, starts[:, None] + old) - np.maximum(pixels * new, starts[:, None])
    return first, np.maximum(overlap, 0).astype(np.float64)


def _elected(seen: LabelMap, weights: npt.NDArray[np.float64]) -> LabelMap:
    """Return the id with most weight among those `seen`, [N, h, w], the lowest of equals: uint8 [N]."""
    ids = np.flatnonzero(np.bincount(seen.ravel())).astype(np.uint8)  # np.unique sorts, which takes five times as long
    candidates = np.zeros(256, np.int64)
    candidates[ids] = np.arange(len(ids))
    ballots = candidates[seen] + len(ids) * np.arange(len(seen))[:, None, None]
    votes = np.bincount(ballots.ravel(), weights.ravel(), len(seen) * len(ids))
    return np.asarray(ids[votes.reshape(len(seen), len(ids)).argmax(axis=1)])


def enlarge_labels(labels: LabelMap, height: int, width: int) -> LabelMap:
    """Return a network's `labels`, uint8 [h, w], for a frame of `height` x `width`: each pixel has the nearest class.

    No class lies between two others, so nothing is averaged.
    """
    return np.asarray(enlarge(labels, height, width), dtype=np.uint8)


def enlarge(values: npt.NDArray[Any], height: int, width: int) -> npt.NDArray[Any]:
    """Return `values` [h, w] or [h, w, C] at `height` x `width`: each pixel has the value that is nearest."""
    return cv2.resize(np.ascontiguousarray(values), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
