"""One labelled frame from disk: RGB pixels and class ids, and a count of unknown ones."""

from collections import Counter
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from segdata.errors import InputError
from segdata.formats.reading.column_runs import masks
from segdata.formats.reading.parquet import Stored
from segdata.images.image_file import is_lossy
from segdata.labels import LabelMap, LabelSpace
from segdata.prepare.labels.decoding import decode_labels
from segdata.prepare.labels.label_image import LabelImage, decode, file_bytes, read_label_image
from segdata.prepare.pair import Drawing, Pair


@dataclass(frozen=True)
class LabelledFrame:
    """`image` RGB uint8 [H, W, 3], `labels` class ids uint8 [H, W]; `unknown` counts pixels by id or colour."""

    image: npt.NDArray[np.uint8]
    labels: LabelMap
    unknown: Counter[str] = field(default_factory=Counter)


def read_pair(pair: Pair, space: LabelSpace) -> LabelledFrame:
    """Read a pair into the classes of `space`.

    Raises InputError if a file is broken, if image and labels differ in size, or if the labels are not of the space
    (see `decode_labels`).
    """
    if pair.drawing is not None:
        image = read_rgb(pair.image)
        return LabelledFrame(image, _painted(pair.drawing, *image.shape[:2]))
    labels = read_labels(pair)
    image = read_rgb(pair.image) if labels.beside is None else labels.beside
    frame = LabelledFrame(image, *decode_labels(labels, pair.encoding, pair.own_ids or space, pair.labels))
    if frame.image.shape[:2] != frame.labels.shape:
        raise InputError(
            f"{pair.image} is {_size(frame.image)} but {pair.labels} is {_size(frame.labels)}; need one size"
        )
    return frame


def _painted(drawing: Drawing, height: int, width: int) -> LabelMap:
    """Return class ids, uint8 [H, W], of the regions; raise InputError if they are of an image of another size."""
    annotated = drawing.annotated
    if annotated.size not in (None, (height, width)):
        said = f"{annotated.size[1]}x{annotated.size[0]}" if annotated.size else ""
        raise InputError(f"{annotated.image} is {width}x{height} but {annotated.file} says {said}; need one size")
    labels = np.full((height, width), drawing.background, np.uint8, order="F")  # COCO's masks go column by column
    found = masks((region.shape for region in annotated.regions), height, width)
    for region, class_id in zip(annotated.regions, drawing.class_ids, strict=True):
        try:
            mask = next(found)
        except InputError as error:
            raise InputError(f"{annotated.file}: {annotated.image.name}, a {region.of.name}: {error}") from None
        rows, columns = mask.pixels.shape
        box = labels[mask.top : mask.top + rows, mask.left : mask.left + columns]
        box[mask.pixels] = class_id
    return np.ascontiguousarray(labels)


def read_rgb(path: Stored) -> npt.NDArray[np.uint8]:
    """Read an image file as RGB uint8 [H, W, 3]; raise InputError if it is not a complete image."""
    return decode(path, file_bytes(path), cv2.IMREAD_COLOR_RGB)


def read_labels(pair: Pair) -> LabelImage:
    """Read what a pair has as labels; raise InputError if it cannot be read."""
    return _right_half(pair.labels) if pair.encoding == "right half" else read_label_image(pair.labels)


def _right_half(path: Stored) -> LabelImage:
    data = file_bytes(path)
    image = decode(path, data, cv2.IMREAD_COLOR_RGB)
    if image.shape[1] % 2:
        raise InputError(f"{path}: {image.shape[1]} pixels wide, need image and labels of equal width")
    left, right = map(np.ascontiguousarray, np.split(image, 2, axis=1))
    return LabelImage("right half", right, None, is_lossy(data), beside=left)


def _size(array: npt.NDArray[np.uint8]) -> str:
    return f"{array.shape[1]}x{array.shape[0]}"
