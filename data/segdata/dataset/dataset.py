"""Read access to a prepared dataset: memory-mapped arrays per split, beside `dataset.json`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from segdata.dataset.arrays import open_array
from segdata.dataset.facts import CALIBRATION_SPLIT, DatasetFacts
from segdata.errors import InputError
from segdata.images.size import Size
from segdata.labels import CITYSCAPES, conversion
from segdata.spec import ModelSpec
from segdata.text import first_problem, short

DATASET_FILE = "dataset.json"


@dataclass(frozen=True)
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

    def spread(self, count: int) -> npt.NDArray[np.int64]:
        """Return the indices, sorted, of `count` frames, or of all if there are fewer, spread evenly."""
        return np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(np.int64))

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
            if not folder.is_dir():
                there = "a file" if folder.exists() else "no such folder"
                raise InputError(f"{folder}: {there}, need a dataset; make one with: seg-data prepare IMAGES DATASET")
            raise InputError(
                f"{folder}: no dataset, {DATASET_FILE} is missing; make one with: seg-data prepare {folder} DATASET"
            )
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
        """Return the indices of the `evaluation` frames in val, sorted, int64 [N]; reads no pixels.

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

        So a dataset of cityscapes-29 can measure a model of cityscapes-19, by Cityscapes' own ids. Raises InputError
        as `check_fits` does.
        """
        self.check_fits(spec)
        if self.facts.class_names == spec.class_names:
            return labels
        table = self._table(spec)
        assert table is not None, "checked above"
        return table[labels]

    def _table(self, spec: ModelSpec) -> npt.NDArray[np.uint8] | None:
        """Return the table from class ids to the model's, uint8 [256]; None if there is none."""
        own, theirs = (CITYSCAPES.get(name) for name in (self.facts.label_space, spec.label_space))
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
    """Return the dataset of one size where several were prepared together in `folder`, else `folder` itself.

    Raises InputError if several were and none has this size.
    """
    own = folder / str(size)
    if (own / DATASET_FILE).is_file():
        return own
    if not (folder / DATASET_FILE).is_file() and (sizes := _sizes_in(folder)):
        raise InputError(f"got size {size}, but {folder} has the sizes {', '.join(sizes)}; prepare that size, too")
    return folder


def dataset_for(folder: Path, spec: ModelSpec) -> Dataset:
    """Open the dataset in `folder`; where several sizes were prepared there together, the one of the model's size.

    Raises InputError if there is none of that size.
    """
    return Dataset(sized_folder(folder, spec.size))
