"""Class ids from a label image, read as ids or as colours; anything but labels of the space is refused."""

from collections import Counter
from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from segdata.errors import InputError
from segdata.formats.reading.parquet import Stored
from segdata.labels import (
    CITYSCAPES,
    CITYSCAPES_19,
    CITYSCAPES_29,
    IGNORE_INDEX,
    LABEL_SPACES,
    LabelMap,
    LabelSpace,
    conversion,
)
from segdata.prepare.labels.colour_labels import decode_colours, why_no_labels
from segdata.prepare.labels.label_image import LabelImage
from segdata.prepare.pair import Encoding

UNKNOWN_LIMIT = 0.01
"""The share of a mask's pixels whose id or colour may be unknown; they become ignore."""

_UNKNOWN = 254  # no class: there are 254 at most
_OFFICIAL_IDS = {label_id for ids in CITYSCAPES_29.label_ids for label_id in ids}

# What tells photos from labels: many values, most of which differ from their neighbours' a little, up or down.
_PHOTO_VALUES, _PHOTO_EDGES, _PHOTO_SMALL_STEPS, _PHOTO_RISES = 8, 0.25, 0.6, (0.25, 0.75)
_PHOTO_STEP, _PHOTO_COLOUR_STEP = 2, 16  # how much a little is, for ids and for the brightness of a palette's colours

_Colours = npt.NDArray[np.uint8]  # RGB, [..., 3]


def decode_labels(
    image: LabelImage, encoding: Encoding, space: LabelSpace, path: Stored
) -> tuple[LabelMap, Counter[str]]:
    """Return class ids of `space`, uint8 [H, W], and how many pixels are of each unknown id or colour.

    Values that neither belong to a class nor are ignored in the space are unknown and become ignore (255). Raises
    InputError, with what was seen in the file of `path`, if more than `UNKNOWN_LIMIT` of the pixels are unknown, if the
    image is a photo, or if the picture beside the labels is labels, too.
    """
    if encoding in ("colours", "right half"):
        if space.name not in CITYSCAPES and len(set(space.colours)) < space.class_count:
            raise InputError(f"{path}: {image.kind}, need ids: classes of {space.name} share colours")
        if image.beside is not None and _are_labels(replace(image, colours=image.beside, beside=None), space, path):
            raise InputError(f"{path}: both halves are labels; need an image in the left one")
        if image.lossy:
            return _from_lossy_colours(image, space, path), Counter()
        labels, unknown = _from_colours(image.colours, space)
    elif image.ids is None:
        raise InputError(f"{path}: {image.kind}, need ids: a PNG of grey values or of a palette")
    else:
        labels, unknown = _from_ids(image.ids, encoding, space)
    share = sum(unknown.values()) / labels.size
    if share > UNKNOWN_LIMIT:
        ways_out = "name the label space it is in" + (
            "" if space.name in LABEL_SPACES else ", or list them in its ignore"
        )
        raise InputError(
            f"{path}: {share:.1%} of its pixels belong to no class of {space.name}: {describe(unknown)}; {ways_out}"
        )
    if encoding not in ("colours", "right half") and _is_photo(image):
        raise InputError(f"{path}: {image.kind} whose values change from pixel to pixel as a photo's; need labels")
    return labels, unknown


def describe(unknown: Counter[str]) -> str:
    """Return the commonest unknown values with their pixel counts, in words."""
    listed = ", ".join(f"{value} ({count} pixels)" for value, count in unknown.most_common(3))
    return listed + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")


def _are_labels(image: LabelImage, space: LabelSpace, path: Stored) -> bool:
    try:
        decode_labels(image, "colours", space, path)
    except InputError:
        return False
    return True


def _written_in(space: LabelSpace) -> LabelSpace:
    """Return the classes that colour images of `space` tell apart: for Cityscapes' spaces the 29 of its palette."""
    return CITYSCAPES_29 if space.name in CITYSCAPES else space


def _from_lossy_colours(image: LabelImage, space: LabelSpace, path: Stored) -> LabelMap:
    own = _written_in(space)
    # What is ignored takes places after the classes, which `conversion` makes 255.
    ignored = own.ignored_colours
    known = replace(own, names=own.names + ("ignored",) * len(ignored), colours=own.colours + ignored)
    labels = decode_colours(image.colours, known)
    if (why := why_no_labels(image.colours, labels, known)) is not None:
        raise InputError(f"{path}: {image.kind}: {why}; a photo, or labels of another space")
    return conversion(own, space)[labels]


def _from_colours(colours: _Colours, space: LabelSpace) -> tuple[LabelMap, Counter[str]]:
    own = _written_in(space)
    packed = _packed(colours)
    labels = _classes_of_colours(own)[packed]
    strange = labels == _UNKNOWN
    values, counts = np.unique(packed[strange], return_counts=True)
    unknown = Counter(
        {
            f"colour {value >> 16},{value >> 8 & 255},{value & 255}": count
            for value, count in zip(values.tolist(), counts.tolist(), strict=True)
        }
    )
    return conversion(own, space)[labels], unknown  # _UNKNOWN, which is no class, becomes 255


@lru_cache(maxsize=2)
def _classes_of_colours(space: LabelSpace) -> npt.NDArray[np.uint8]:
    """Return uint8 [2 ** 24]: position packed colour, value class id, 255 if ignored, `_UNKNOWN` for all others."""
    table = np.full(1 << 24, _UNKNOWN, np.uint8)
    table[_packed(np.asarray(space.ignored_colours, np.uint8).reshape(-1, 3))] = IGNORE_INDEX
    table[_packed(np.asarray(space.colours, np.uint8))] = np.arange(space.class_count)
    return table


def _packed(colours: _Colours) -> npt.NDArray[np.int32]:
    """Return each colour as one number: int32 [...] of uint8 [..., 3]."""
    return colours.astype(np.int32) @ np.asarray([65536, 256, 1], dtype=np.int32)


def _from_ids(
    ids: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], encoding: Encoding, space: LabelSpace
) -> tuple[LabelMap, Counter[str]]:
    if encoding == "train ids":
        table, known = conversion(CITYSCAPES_19, space), set(range(CITYSCAPES_19.class_count))
    else:
        table, known = space.lookup_from_label_ids(), known_ids(space)
    counts = np.bincount(ids.ravel(), minlength=256)
    unknown = Counter(
        {f"id {value}": int(counts[value]) for value in np.flatnonzero(counts).tolist() if value not in known | {255}}
    )
    table = np.append(table, np.full(len(counts) - len(table), IGNORE_INDEX, np.uint8))
    return table[ids], unknown


def known_ids(space: LabelSpace) -> set[int]:
    """Return the ids that may occur in masks of `space`, except 255: also those that stand for no class."""
    if space.name in CITYSCAPES:
        return _OFFICIAL_IDS
    return {label_id for ids in space.label_ids for label_id in ids} | set(space.ignored_ids)


def _is_photo(image: LabelImage) -> bool:
    """Return whether grey values, or the colours that indices of a palette stand for, are those of a photo."""
    ids = image.ids
    if ids is None or np.count_nonzero(ids[:, 1:] != ids[:, :-1]) <= _PHOTO_EDGES * ids[:, 1:].size:
        return False
    in_palette = image.kind.startswith("palette")
    values = image.colours.mean(axis=2).astype(np.int32) if in_palette else ids.astype(np.int32)
    steps = np.diff(values, axis=1)
    edges = steps[steps != 0]
    if not edges.size or len(np.unique(values)) < _PHOTO_VALUES:
        return False
    low, high = _PHOTO_RISES
    small = (abs(edges) <= (_PHOTO_COLOUR_STEP if in_palette else _PHOTO_STEP)).mean()
    return bool(small > _PHOTO_SMALL_STEPS and low < (edges > 0).mean() < high)
