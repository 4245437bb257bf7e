"""A prepared dataset on disk: memory-mapped arrays per split, and `dataset.json` that says what they are."""

import json
from dataclasses import asdict
from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Le, Len, Lt
from pydantic import ConfigDict, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from segdata.arrays import open_array
from segdata.errors import InputError
from segdata.labels import LABEL_SPACES, conversion
from segdata.size import Size
from segdata.spec import ModelSpec, Name, Side
from segdata.text import first_problem, short

DATASET_FILE = "dataset.json"
CALIBRATION_SPLIT = "val"
"""The split whose frames are parted into calibration and evaluation."""


_LONGEST_SPLIT = 200  # characters of a name, which becomes that of a file and stands in errors

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
    `evaluation_sha256` are the hashes of the two sets of frames (`hash_of_frames`), `plan_sha256` that of all that
    decided the result, by which a second preparation knows that there is nothing to do.
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
            raise ValueError("the name of a split is no short name of a file")
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


@plain_dataclass(frozen=True)
class SplitArrays:
    """Frames of one split: `images` uint8 [N, H, W, 3] RGB, `labels` uint8 [N, H, W], and of each frame its name and
    the SHA-256 of its image file, in the same order.

    A whole split's arrays are memory maps: only what is read is loaded.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    names: tuple[str, ...]
    sha256: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, indices: npt.NDArray[np.int64]) -> "SplitArrays":
        """Return the frames at `indices`, copied into memory."""
        names, sha256 = (tuple(values[index] for index in indices) for values in (self.names, self.sha256))
        return SplitArrays(self.images[indices], self.labels[indices], names, sha256)


class Dataset:
    """Read access to a prepared dataset."""

    def __init__(self, folder: Path) -> None:
        """Open the dataset in `folder`; raise InputError if there is none, or if its arrays do not fit its facts."""
        self.folder = folder
        file = folder / DATASET_FILE
        if not file.is_file():
            if sizes := _sizes_in(folder):
                raise InputError(
                    f"{folder}: holds datasets of the sizes {', '.join(sizes)}; name one of them: {folder / sizes[0]}"
                )
            raise InputError(f"{folder}: no dataset, {DATASET_FILE} is missing; make one with: seg-data prepare")
        try:
            self.facts = TypeAdapter(DatasetFacts).validate_json(file.read_bytes())
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror or error}); name another dataset") from None
        except ValidationError as error:
            raise InputError(f"{file}: {first_problem(error)}; prepare the dataset again") from None

    def split(self, name: str) -> SplitArrays:
        """Open one split; raise InputError if the dataset does not have it, or if its arrays do not fit its facts."""
        if name not in self.facts.splits:
            splits = short(", ".join(self.facts.splits))
            raise InputError(f"{self.folder}: got the split {short(name)}, this dataset has {splits}")
        names = self.facts.splits[name].names
        shape = (len(names), self.facts.height, self.facts.width)
        images = self._array(images_file(name), (*shape, 3))
        return SplitArrays(images, self._array(labels_file(name), shape), names, self.facts.splits[name].sha256)

    def calibration(self) -> SplitArrays:
        """Return the val frames that INT8 is calibrated on."""
        return self.split(CALIBRATION_SPLIT).subset(np.asarray(self.facts.calibration, dtype=np.int64))

    def evaluation(self) -> SplitArrays:
        """Return the val frames that accuracy of exported models is measured on: all but those of `calibration`."""
        return self.split(CALIBRATION_SPLIT).subset(self.evaluation_indices())

    def evaluation_indices(self) -> npt.NDArray[np.int64]:
        """Return which val frames those of `evaluation` are, sorted, int64 [N]; no pixel is read.

        Raises what `split` does.
        """
        frames = np.arange(len(self.split(CALIBRATION_SPLIT)))
        return np.setdiff1d(frames, np.asarray(self.facts.calibration, dtype=np.int64))

    def check_fits(self, spec: ModelSpec) -> None:
        """Raise InputError if the dataset is of another frame size, or of classes that cannot become the model's."""
        facts = self.facts
        if (facts.height, facts.width) != (spec.height, spec.width):
            raise InputError(
                f"{self.folder} holds {facts.width}x{facts.height} frames, the model takes {spec.width}x{spec.height}; "
                f"prepare the dataset with --size {spec.size}"
            )
        if self._table(spec) is None:
            raise InputError(
                f"{self.folder} has the classes of {facts.label_space}, the model those of {spec.label_space}; "
                "prepare it with the model's --label-space"
            )

    def truth(self, labels: npt.NDArray[np.uint8], spec: ModelSpec) -> npt.NDArray[np.uint8]:
        """Return labels of this dataset as ids of the model's classes, 255 where it has none for them.

        A dataset of cityscapes-29 measures a model of cityscapes-19 so, by Cityscapes' own ids. Raises InputError as
        `check_fits` does.
        """
        self.check_fits(spec)
        if self.facts.class_names == spec.class_names:
            return labels
        table = self._table(spec)
        assert table is not None, "checked above"
        return table[labels]

    def _table(self, spec: ModelSpec) -> npt.NDArray[np.uint8] | None:
        """Return what brings a class id to the model's, uint8 [256]; None if nothing does."""
        own, theirs = (LABEL_SPACES.get(name) for name in (self.facts.label_space, spec.label_space))
        if self.facts.class_names == spec.class_names:
            return np.arange(256, dtype=np.uint8)
        if own is None or theirs is None or own.class_count < theirs.class_count:
            return None
        if (own.names, theirs.names) != (self.facts.class_names, spec.class_names):
            return None
        return conversion(own, theirs)

    def _array(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        file = self.folder / name
        if file.is_symlink() and file.resolve().parent != self.folder.resolve():
            raise InputError(f"{file}: leads to {file.resolve()}, out of the dataset; put the file itself there")
        try:
            array = open_array(file)
        except (OSError, ValueError) as error:
            reason = short(str(error))
            raise InputError(f"{file}: cannot be read as an array ({reason}); prepare the dataset again") from None
        if array.shape != shape or array.dtype != np.uint8:
            held = f"{short(str(array.dtype))} {list(array.shape)}"
            raise InputError(f"{file}: holds {held}, need uint8 {list(shape)}; prepare the dataset again")
        return np.asarray(array)


def images_file(split: str) -> str:
    """Return the file name of a split's frames."""
    return f"{split}_images.npy"


def labels_file(split: str) -> str:
    """Return the file name of a split's labels."""
    return f"{split}_labels.npy"


def _sizes_in(folder: Path) -> list[str]:
    """Return the names of the datasets in a folder, smallest first: seg-data names each for its size."""
    found = [path.parent.name for path in folder.glob(f"*/{DATASET_FILE}")]
    return sorted(found, key=lambda name: (len(name), name))


def sized_folder(folder: Path, size: Size) -> Path:
    """Return the dataset of one size where several were prepared together in `folder`, else `folder` itself."""
    own = folder / str(size)
    return own if (own / DATASET_FILE).is_file() else folder


def dataset_for(folder: Path, spec: ModelSpec) -> Dataset:
    """Open the dataset in `folder`; where several sizes were prepared there together, the one of the model's size.

    Raises InputError if there is none.
    """
    return Dataset(sized_folder(folder, spec.size))
