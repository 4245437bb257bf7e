"""What `dataset.json` says of a prepared dataset: its classes, its splits, and which frames calibrate."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le, Len, Lt
from pydantic import ConfigDict, model_validator
from pydantic.dataclasses import dataclass

from segdata.images.size import Size
from segdata.spec import Name, Side

CALIBRATION_SPLIT = "val"
"""The split whose frames are split into calibration and evaluation."""

_LONGEST_SPLIT = 200  # characters of a name: it becomes a file's name and is shown in errors

_Byte = Annotated[int, Ge(0), Le(255)]
_Pixels = Annotated[int, Ge(0), Lt(1 << 63)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Split:
    """One split: frame names in array order, the SHA-256 of each image file, and pixels per class over all frames."""

    names: tuple[str, ...]
    class_pixels: tuple[_Pixels, ...]
    sha256: tuple[str, ...]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DatasetFacts:
    """What `dataset.json` holds.

    `calibration` are indices into the val split, sorted; the rest of val is for evaluation. `calibration_sha256` and
    `evaluation_sha256` are the hashes of the two sets of frames (`hash_of_frames`), `plan_sha256` that of all
    that decides the result: a second preparation with the same hash has nothing to do.
    """

    height: Side
    width: Side
    label_space: Name
    class_names: Annotated[tuple[Name, ...], Len(1, 254)]
    colours: tuple[tuple[_Byte, _Byte, _Byte], ...]
    source: str
    plan_sha256: str
    splits: dict[str, Split]
    calibration: tuple[int, ...]
    calibration_sha256: str
    evaluation_sha256: str
    format: Literal[1] = 1

    @model_validator(mode="after")
    def _consistent(self) -> "DatasetFacts":
        val = len(self.splits[CALIBRATION_SPLIT].names) if CALIBRATION_SPLIT in self.splits else 0
        classes = len(self.class_names)
        if len(self.colours) != classes or any(len(split.class_pixels) != classes for split in self.splits.values()):
            raise ValueError("class names, colours and class_pixels differ in number")
        if any(len(split.sha256) != len(split.names) for split in self.splits.values()):
            raise ValueError("names and sha256 differ in number")
        if any(not 0 <= index < val for index in self.calibration):
            raise ValueError("calibration names frames that are not in val")
        if not all(map(_is_file_name, self.splits)):
            raise ValueError("the name of a split is not a short file name")
        return self

    @property
    def size(self) -> Size:
        """The size of a frame."""
        return Size(self.height, self.width)

    def to_json(self) -> str:
        """Return the facts as indented JSON."""
        return json.dumps(asdict(self), indent=1)


def _is_file_name(name: str) -> bool:
    apart = name in {"", ".", ".."} or name != Path(name).name or "\\" in name or "\0" in name
    return not apart and len(name) <= _LONGEST_SPLIT
