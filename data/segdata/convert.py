"""Labelled images of any layout, or a prepared dataset, in the format of another tool."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from segdata.command_line.progress import SILENT, Progress
from segdata.cores import usable_cores
from segdata.dataset.dataset import DATASET_FILE, Dataset, SplitArrays
from segdata.errors import InputError
from segdata.files import replacing
from segdata.formats.writing.base import LabelledImage, LabelWriter, Place
from segdata.formats.writing.open import DATASETS
from segdata.formats.writing.space import label_space_of, with_one_id_each, write_label_space
from segdata.images.image_file import IMAGE_SUFFIXES, as_png
from segdata.labels import LabelSpace
from segdata.options import ConvertOptions
from segdata.prepare.label_files import find_label_space
from segdata.prepare.labels.decoding import describe
from segdata.prepare.labels.label_image import file_bytes
from segdata.prepare.labels.reading import read_pair
from segdata.prepare.layouts.find import complete, find_layout
from segdata.prepare.pair import WHOLE, Pair

_Read = tuple[LabelledImage, Counter[str]]  # a frame, and its pixels that became ignore, by what they were
_Reader = Callable[[], _Read]
_Source = tuple[LabelSpace, dict[str, list[_Reader]], tuple[str, ...]]  # frames by split, and what else to know


@dataclass(frozen=True)
class ConvertReport:
    """How many frames each split has, the file of the classes, None where they are built in, and what else to know."""

    frames: dict[str, int]
    label_space: Path | None
    remarks: tuple[str, ...]


def convert(options: ConvertOptions, progress: Progress = SILENT) -> ConvertReport:
    """Write the labelled images of `options.source` into `options.target`, which appears when it is complete.

    Raises InputError if the target exists, or for anything wrong with the source; there is no target then.
    """
    if options.target.exists():
        raise InputError(f"{options.target}: is there already; remove it, or name another folder")
    if (options.source / DATASET_FILE).is_file():
        space, splits, remarks = _prepared(options.source)
    else:
        space, splits, remarks = _labelled(options)
    unknown: Counter[str] = Counter()
    progress.start(sum(map(len, splits.values())))
    with replacing(options.target) as temporary:
        for split, readers in splits.items():
            place = Place(temporary, "train" if split == WHOLE else split)
            writer = DATASETS[options.to](place, with_one_id_each(space))
            unknown += _written(readers, writer, progress)
        file = write_label_space(temporary, with_one_id_each(space))
    if unknown:
        remarks = (*remarks, f"unknown labels became ignore: {describe(unknown)}")
    frames = {split: len(readers) for split, readers in splits.items()}
    return ConvertReport(frames, file and options.target / file.name, remarks)


def _written(readers: Iterable[_Reader], writer: LabelWriter, progress: Progress) -> Counter[str]:
    """Write what is read, and return the pixels that became ignore, by what they were."""
    unknown: Counter[str] = Counter()
    try:
        for item, strange in _in_order(readers):
            writer.write(item)
            unknown += strange
            progress.advance()
        writer.finish()
    finally:
        writer.discard()
    return unknown


def _in_order(readers: Iterable[_Reader]) -> Iterator[_Read]:
    """Yield what is read, on all cores, in order; few frames are held at a time."""
    with ThreadPoolExecutor(workers := usable_cores()) as executor:
        reading: deque[Future[_Read]] = deque()
        try:
            for reader in readers:
                reading.append(executor.submit(reader))
                if len(reading) > 2 * workers:
                    yield reading.popleft().result()
            while reading:
                yield reading.popleft().result()
        finally:
            executor.shutdown(cancel_futures=True)


def _labelled(options: ConvertOptions) -> _Source:
    """Return what is read of labelled images."""
    space = find_label_space(options.label_space)
    found = complete(options.source, find_layout(options.source, space, options.ids, options.background))
    splits: dict[str, list[_Reader]] = {
        split: [partial(_read_pair, pair, space) for pair in pairs] for split, pairs in found.splits.items()
    }
    return space, splits, found.remarks


def _read_pair(pair: Pair, space: LabelSpace) -> _Read:
    frame = read_pair(pair, space)
    height, width = frame.labels.shape
    if pair.encoding == "right half" or pair.image.suffix.lower() not in IMAGE_SUFFIXES:
        return LabelledImage(f"{pair.name}.png", frame.labels, height, width, as_png(frame.image)), frame.unknown
    name = f"{pair.name}{pair.image.suffix}"
    return LabelledImage(name, frame.labels, height, width, file_bytes(pair.image)), frame.unknown


def _prepared(folder: Path) -> _Source:
    """Return what is read of a prepared dataset, whose images become PNGs."""
    dataset = Dataset(folder)
    facts = dataset.facts
    space = label_space_of(facts.label_space, facts.class_names, facts.colours)
    arrays = {split: dataset.split(split) for split in facts.splits}
    splits: dict[str, list[_Reader]] = {
        split: [partial(_read_stored, own, index) for index in range(len(own))] for split, own in arrays.items()
    }
    return space, splits, ()


def _read_stored(split: SplitArrays, index: int) -> _Read:
    labels = np.asarray(split.labels[index])
    height, width = labels.shape
    name = f"{split.names[index]}.png"
    return LabelledImage(name, labels, height, width, as_png(split.images[index])), Counter()
