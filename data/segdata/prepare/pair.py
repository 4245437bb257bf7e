"""A frame and its labels on disk, and what a layout found in a folder."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from segdata.formats.reading.base import AnnotatedImage
from segdata.formats.reading.parquet import Stored
from segdata.formats.reading.values import SPLIT_NAMES
from segdata.labels import LabelSpace

Encoding = Literal["colours", "label ids", "train ids", "own ids", "right half", "regions"]
"""What the label file holds: colours; the label space's ids; Cityscapes trainIds; ids that the dataset has names for;
colours beside the image; or regions."""

Splits = dict[str, list["Pair"]]
"""Pairs by split name, each split sorted by frame name."""

WHOLE = "all"
"""The name of the one split of a source that has no splits of its own."""


@dataclass(frozen=True)
class Drawing:
    """The regions of one image, the class of each, and that of pixels in no region: class ids, 255 for none."""

    annotated: AnnotatedImage
    class_ids: tuple[int, ...]
    background: int


@dataclass(frozen=True)
class Pair:
    """One frame and its labels on disk; side by side, both are one file.

    `drawing` is what a file of annotations, which may be of many frames, holds of this one. `own_ids` is the label
    space with the ids that a dataset has for its classes, where those are its masks'.
    """

    name: str
    image: Stored
    labels: Stored
    encoding: Encoding
    drawing: Drawing | None = None
    own_ids: LabelSpace | None = None


@dataclass(frozen=True)
class Alone:
    """An image without its labels, or labels without their image."""

    file: Path
    missing: str


@dataclass(frozen=True)
class Found:
    """What a layout found below a folder.

    `encodings` are those that its label files may be in, where names do not say it. `remarks` are what a user
    should know, a line each.
    """

    layout: str
    splits: Splits
    alone: list[Alone]
    encodings: tuple[Encoding, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def pairs(self) -> list[Pair]:
        """All pairs, split after split."""
        return [pair for pairs in self.splits.values() for pair in pairs]

    def read_as(self, encoding: Encoding, instead_of: Encoding | None = None) -> "Found":
        """Return the same with all label files in this encoding, or only those that were in another."""
        splits = {
            name: [replace(pair, encoding=encoding) if instead_of in (None, pair.encoding) else pair for pair in pairs]
            for name, pairs in self.splits.items()
        }
        return replace(self, splits=splits, encodings=())

    def with_remark(self, line: str) -> "Found":
        """Return the same with one more remark."""
        return replace(self, remarks=(*self.remarks, line))


def split_named(folder: str) -> str | None:
    """Return the split that a folder's name means by itself (valid, Validation: val), None if it means none."""
    return SPLIT_NAMES.get(folder.lower())
