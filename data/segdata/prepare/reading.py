"""One labelled frame from disk: RGB pixels and class ids, with what could not be understood counted."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segdata.errors import InputError
from segdata.image_file import PNG, decode_image
from segdata.labels import CITYSCAPES_19, CITYSCAPES_29, IGNORE_INDEX, LABEL_SPACES, LabelSpace, conversion
from segdata.prepare.colour_labels import decode_colours
from segdata.prepare.layouts import Pair

UNKNOWN_LIMIT = 0.01
"""The share of a mask's pixels whose id or colour may be unknown; they become ignore."""

_OFFICIAL_IDS = {label_id for ids in CITYSCAPES_29.label_ids for label_id in ids}
_LOSSLESS = (".png",)

_PNG_KINDS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey and alpha", 6: "RGBA"}
_ID_KIND = "grey PNG of 8 bits"


@dataclass(frozen=True)
class LabelledFrame:
    """`image` RGB uint8 [H, W, 3], `labels` class ids uint8 [H, W]; `unknown` counts pixels by id or colour."""

    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    unknown: Counter[str] = field(default_factory=Counter)


def read_pair(pair: Pair, space: LabelSpace) -> LabelledFrame:
    """Read a pair into the classes of `space`.

    Raises InputError if a file is broken or of another kind than its layout says, if image and labels differ in size,
    or if more than `UNKNOWN_LIMIT` of the labels are unknown.
    """
    image = read_rgb(pair.image)
    if pair.encoding == "right half":
        if image.shape[1] % 2:
            raise InputError(f"{pair.image}: {image.shape[1]} pixels wide, need image and labels of equal width")
        image, colours = np.split(image, 2, axis=1)
        frame = LabelledFrame(np.ascontiguousarray(image), *_from_colours(np.ascontiguousarray(colours), pair, space))
    elif pair.encoding == "colours":
        frame = LabelledFrame(image, *_from_colours(read_rgb(pair.labels), pair, space))
    else:
        frame = LabelledFrame(image, *_from_ids(_read_ids(pair.labels), pair, space))
    if frame.image.shape[:2] != frame.labels.shape:
        raise InputError(
            f"{pair.image} is {_size(frame.image)} but {pair.labels} is {_size(frame.labels)}; need one size"
        )
    share = sum(frame.unknown.values()) / frame.labels.size
    if share > UNKNOWN_LIMIT:
        raise InputError(
            f"{pair.labels}: {share:.1%} of its pixels are no class of {space.name}: {describe(frame.unknown)}; "
            "name the label space it is in"
        )
    return frame


def describe(unknown: Counter[str]) -> str:
    """Return the commonest unknown values with their pixel counts, in words."""
    listed = ", ".join(f"{value} ({count} pixels)" for value, count in unknown.most_common(3))
    return listed + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")


def read_rgb(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image file as RGB uint8 [H, W, 3]; raise InputError if it is no whole image."""
    return _decode(path, _bytes(path), cv2.IMREAD_COLOR_RGB)


def _read_ids(path: Path) -> npt.NDArray[np.uint8]:
    data = _bytes(path)
    ids = _decode(path, data, cv2.IMREAD_GRAYSCALE)
    if (kind := _kind(data)) != _ID_KIND:
        raise InputError(f"{path}: {kind}, need a {_ID_KIND} that holds ids")
    return ids


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); replace the file or remove the pair") from None


def _decode(path: Path, data: bytes, flags: int) -> npt.NDArray[np.uint8]:
    image = decode_image(data, flags)
    if image is None:
        raise InputError(f"{path}: not a whole image; replace the file or remove the pair")
    return image


def _kind(data: bytes) -> str:
    """Return in words what an image file holds."""
    if not data.startswith(PNG):
        return "no PNG"
    depth, colour_type = data[24], data[25]  # the PNG header's place for them
    return f"{_PNG_KINDS[colour_type]} PNG of {depth} bits"


def _size(array: npt.NDArray[np.uint8]) -> str:
    return f"{array.shape[1]}x{array.shape[0]}"


def _from_colours(
    colours: npt.NDArray[np.uint8], pair: Pair, space: LabelSpace
) -> tuple[npt.NDArray[np.uint8], Counter[str]]:
    # Colour images in Cityscapes' palette tell 29 classes apart, whatever space is wanted of them.
    written_in = CITYSCAPES_29 if space.name in LABEL_SPACES else space
    labels = decode_colours(colours, written_in)
    unknown: Counter[str] = Counter()
    if pair.labels.suffix.lower() in _LOSSLESS:
        packed = colours.astype(np.int32) @ np.asarray([65536, 256, 1], dtype=np.int32)
        known = [(red << 16) | (green << 8) | blue for red, green, blue in written_in.colours]
        strange = ~np.isin(packed, known)
        values, counts = np.unique(packed[strange], return_counts=True)
        labels[strange] = IGNORE_INDEX
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            unknown[f"colour {value >> 16},{value >> 8 & 255},{value & 255}"] = count
    return conversion(written_in, space)[labels], unknown


def _from_ids(ids: npt.NDArray[np.uint8], pair: Pair, space: LabelSpace) -> tuple[npt.NDArray[np.uint8], Counter[str]]:
    if pair.encoding == "train ids":
        table, known = conversion(CITYSCAPES_19, space), set(range(CITYSCAPES_19.class_count))
    else:
        table = space.lookup_from_label_ids()
        known = _OFFICIAL_IDS if space.name in LABEL_SPACES else {label for ids in space.label_ids for label in ids}
    counts = np.bincount(ids.ravel(), minlength=256)
    unknown = Counter(
        {f"id {value}": int(counts[value]) for value in range(255) if counts[value] and value not in known}
    )
    return table[ids], unknown
