"""One labelled frame from disk: RGB pixels and class ids, with what could not be understood counted."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segdata.errors import InputError
from segdata.image_file import is_lossy
from segdata.labels import LabelSpace
from segdata.prepare.decoding import decode_labels
from segdata.prepare.label_image import LabelImage, decode, file_bytes, read_label_image
from segdata.prepare.pair import Pair


@dataclass(frozen=True)
class LabelledFrame:
    """`image` RGB uint8 [H, W, 3], `labels` class ids uint8 [H, W]; `unknown` counts pixels by id or colour."""

    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    unknown: Counter[str] = field(default_factory=Counter)


def read_pair(pair: Pair, space: LabelSpace) -> LabelledFrame:
    """Read a pair into the classes of `space`.

    Raises InputError if a file is broken, if image and labels differ in size, or if the labels are none of the space
    (see `decode_labels`).
    """
    labels = read_labels(pair)
    image = read_rgb(pair.image) if labels.beside is None else labels.beside
    frame = LabelledFrame(image, *decode_labels(labels, pair.encoding, space, pair.labels))
    if frame.image.shape[:2] != frame.labels.shape:
        raise InputError(
            f"{pair.image} is {_size(frame.image)} but {pair.labels} is {_size(frame.labels)}; need one size"
        )
    return frame


def read_rgb(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image file as RGB uint8 [H, W, 3]; raise InputError if it is no whole image."""
    return decode(path, file_bytes(path), cv2.IMREAD_COLOR_RGB)


def read_labels(pair: Pair) -> LabelImage:
    """Read what a pair has as labels; raise InputError if it cannot be read."""
    return _right_half(pair.labels) if pair.encoding == "right half" else read_label_image(pair.labels)


def _right_half(path: Path) -> LabelImage:
    data = file_bytes(path)
    image = decode(path, data, cv2.IMREAD_COLOR_RGB)
    if image.shape[1] % 2:
        raise InputError(f"{path}: {image.shape[1]} pixels wide, need image and labels of equal width")
    left, right = map(np.ascontiguousarray, np.split(image, 2, axis=1))
    return LabelImage("right half", right, None, is_lossy(data), beside=left)


def _size(array: npt.NDArray[np.uint8]) -> str:
    return f"{array.shape[1]}x{array.shape[0]}"
