"""One frame, read, shrunk to each size and counted; and what a dataset says of the frames of a split."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segdata.dataset.facts import Split
from segdata.images.resize import resize_frame, resize_labels
from segdata.images.size import Size
from segdata.labels import LabelSpace
from segdata.prepare.journal import Done
from segdata.prepare.labels.reading import read_pair
from segdata.prepare.pair import Pair

_COUNTED_EXACTLY = 1 << 24  # pixels: OpenCV's histogram is float32, and three times as fast as NumPy's

Bytes = npt.NDArray[np.uint8]
Key = tuple[str, int]
"""A frame: its split's name and its position there."""


@dataclass(frozen=True)
class PreparedFrame:
    """One frame at each size asked for: `images` RGB uint8 [H, W, 3], `labels` class ids uint8 [H, W]."""

    images: list[Bytes]
    labels: list[Bytes]
    done: Done


def prepare_pair(pair: Pair, space: LabelSpace, sizes: tuple[Size, ...], key: Key = ("", 0)) -> PreparedFrame:
    """Read one pair into the classes of `space` and shrink it to each size; raise InputError if it cannot be read."""
    frame = read_pair(pair, space)
    labels = [resize_labels(frame.labels, *size) for size in sizes]
    done = Done(
        split=key[0],
        index=key[1],
        sha256=hashlib.sha256(pair.image.read_bytes()).hexdigest(),
        class_pixels=tuple(_count(array, space) for array in labels),
        source_pixels=_count(frame.labels, space),
        unknown=dict(frame.unknown),
    )
    return PreparedFrame([resize_frame(frame.image, *size) for size in sizes], labels, done)


def split_facts(pairs: Sequence[Pair], frames: Sequence[Done], size: int, space: LabelSpace) -> Split:
    """Return what `dataset.json` says of a split: `frames` are those of `pairs`, at their size number `size`."""
    class_pixels = pixel_table([frame.class_pixels[size] for frame in frames], space).sum(axis=0)
    return Split(
        names=tuple(pair.name for pair in pairs),
        class_pixels=tuple(class_pixels.tolist()),
        sha256=tuple(frame.sha256 for frame in frames),
    )


def pixel_table(rows: list[tuple[int, ...]], space: LabelSpace) -> npt.NDArray[np.int64]:
    """Return rows of pixel counts as int64 [N, C], also where there is none."""
    return np.asarray(rows, dtype=np.int64).reshape(len(rows), space.class_count)


def _count(labels: Bytes, space: LabelSpace) -> tuple[int, ...]:
    """Return how many pixels of each class `labels` has; ignore is not counted."""
    bands = np.array_split(labels, -(-labels.size // _COUNTED_EXACTLY))
    counts = sum(cv2.calcHist([band], [0], None, [256], [0, 256]).astype(np.int64) for band in bands)
    return tuple(np.ravel(counts)[: space.class_count].tolist())
