"""A frame and its labels on disk, and what a layout found in a folder."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

Encoding = Literal["colours", "label ids", "train ids", "right half"]
"""What the label file holds: colours; the label space's ids; Cityscapes trainIds; or colours beside the image."""

Splits = dict[str, list["Pair"]]
"""Pairs by split name, each split sorted by frame name."""

WHOLE = "all"
"""The name of the one split of a source that has no splits of its own."""

_SPLIT_NAMES = {
    "training": "train", "valid": "val", "validation": "val", "testing": "test",
    "train": "train", "val": "val", "test": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """One frame and its labels on disk; side by side, both are one file."""

    name: str
    image: Path
    labels: Path
    encoding: Encoding


@dataclass(frozen=True)
class Alone:
    """An image without its labels, or labels without their image."""

    file: Path
    missing: str


@dataclass(frozen=True)
class Found:
    """What a layout found below a folder.

    `encodings` are those that its label files may be in, where names do not say it. `remarks` are what whoever uses it
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
        """Return the same with all label files in this encoding, or those that were in another."""
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
    return _SPLIT_NAMES.get(folder.lower())
