"""Labelled images on disk -> prepared datasets, once: on all cores, all sizes in one pass, resumable."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segdata.arrays import create_array, open_array
from segdata.cores import usable_cores
from segdata.coverage import dataset_remarks
from segdata.dataset import (
    CALIBRATION_SPLIT,
    DATASET_FILE,
    Dataset,
    DatasetFacts,
    Split,
    images_file,
    labels_file,
)
from segdata.errors import InputError
from segdata.files import on_disk
from segdata.labels import LabelSpace
from segdata.options import PrepareOptions
from segdata.prepare.calibration_split import choose_calibration, hash_of_frames
from segdata.prepare.journal import Done, Journal
from segdata.prepare.pair import Pair
from segdata.prepare.plan import Plan, make_plan
from segdata.prepare.reading import read_pair
from segdata.progress import SILENT, Progress
from segdata.resize import resize_frame, resize_labels
from segdata.size import Size
from segdata.text import short

Bytes = npt.NDArray[np.uint8]
Key = tuple[str, int]
"""A frame: its split's name and its position there."""


@dataclass(frozen=True)
class PreparedFrame:
    """One frame at each size asked for: `images` RGB uint8 [H, W, 3], `labels` class ids uint8 [H, W]."""

    images: list[Bytes]
    labels: list[Bytes]
    done: Done


@dataclass(frozen=True)
class PrepareReport:
    """The datasets, one a size; pixels whose id or colour was unknown, by value; frames an earlier run had done.

    `remarks` say what else to know, a line each.
    """

    datasets: list[Dataset]
    unknown: Counter[str]
    resumed: int
    remarks: tuple[str, ...] = ()


def prepare(options: PrepareOptions, progress: Progress = SILENT) -> PrepareReport:
    """Write the labelled images below `options.source` as a dataset at `options.target`, a folder a size if several.

    `on_start` is told how many frames are left to do, `on_frame` is called after each. Where the target is already
    what would be made, nothing is done. A run that was interrupted goes on from `.TARGET.partial`. Raises InputError
    for anything wrong with source or target; then there is neither a target nor anything partial.
    """
    plan = make_plan(options)
    sha256 = plan.sha256()
    with on_disk(options.target):
        exists = options.target.exists()
    if exists:
        return _report(_existing(options.target, plan, sha256), plan, Counter(), len(plan.frames()))
    folder = options.target.with_name(f".{options.target.name}.partial")
    with _removed_on_error(folder), on_disk(options.target):
        with Journal(folder, sha256, partial(_is_of, plan)) as journal:
            resumed = len(journal.done)
            progress.start(len(plan.frames()) - resumed)
            _fill(folder, plan, journal, progress)
        for size in plan.sizes:
            facts = _facts(options, plan, sha256, journal.done, size)
            (_subfolder(folder, plan, size) / DATASET_FILE).write_text(facts.to_json())
        journal.remove()
        folder.replace(options.target)
    unknown: Counter[str] = Counter()
    for done in journal.done.values():
        unknown.update(done.unknown)
    return _report(_existing(options.target, plan, sha256), plan, unknown, resumed)


def _report(datasets: list[Dataset], plan: Plan, unknown: Counter[str], resumed: int) -> PrepareReport:
    several = len(datasets) > 1
    lines = [
        f"{dataset.facts.size} {line}" if several else line
        for dataset in datasets
        for line in dataset_remarks(dataset.facts)
    ]
    return PrepareReport(datasets, unknown, resumed, (*plan.remarks, *lines))


def prepare_pair(pair: Pair, space: LabelSpace, sizes: tuple[Size, ...], key: Key = ("", 0)) -> PreparedFrame:
    """Read one pair into the classes of `space` and shrink it to each size; raise InputError if it cannot be read."""
    frame = read_pair(pair, space)
    labels = [resize_labels(frame.labels, *size) for size in sizes]
    done = Done(
        split=key[0],
        index=key[1],
        sha256=hashlib.sha256(pair.image.read_bytes()).hexdigest(),
        class_pixels=tuple(_count(array, space) for array in labels),
        source_pixels=_count(frame.labels, space),
        unknown=dict(frame.unknown),
    )
    return PreparedFrame([resize_frame(frame.image, *size) for size in sizes], labels, done)


def _is_of(plan: Plan, done: Done) -> bool:
    """Return whether a line of a journal, which may be damaged, can be of a frame of `plan`."""
    counts = (*done.class_pixels, done.source_pixels)
    return (
        0 <= done.index < len(plan.splits.get(done.split, []))
        and len(done.class_pixels) == len(plan.sizes)
        and all(len(pixels) == plan.space.class_count for pixels in counts)
    )


def _fill(folder: Path, plan: Plan, journal: Journal, progress: Progress) -> None:
    """Write the pixels of every frame that the journal does not have, and note each there."""
    arrays = {
        (size, split): _arrays(_subfolder(folder, plan, size), split, len(pairs), size, resume=bool(journal.done))
        for size in plan.sizes
        for split, pairs in plan.splits.items()
    }
    left = ((name, index, pair) for name, index, pair in plan.frames() if (name, index) not in journal.done)
    # Decoding, resizing and counting run outside Python's lock, so threads use every core.
    with ThreadPoolExecutor(workers := usable_cores()) as executor:
        running: set[Future[PreparedFrame]] = set()
        try:
            for name, index, pair in left:
                running.add(executor.submit(prepare_pair, pair, plan.space, plan.sizes, (name, index)))
                if len(running) >= 4 * workers:
                    running = _store(running, plan, arrays, journal, progress)
            while running:
                running = _store(running, plan, arrays, journal, progress)
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise


def _store(
    running: set[Future[PreparedFrame]],
    plan: Plan,
    arrays: dict[tuple[Size, str], tuple[Bytes, Bytes]],
    journal: Journal,
    progress: Progress,
) -> set[Future[PreparedFrame]]:
    """Wait for some frames, write them, and return those still running."""
    ready, running = wait(running, return_when=FIRST_COMPLETED)
    for future in ready:
        frame = future.result()
        for position, size in enumerate(plan.sizes):
            images, labels = arrays[size, frame.done.split]
            images[frame.done.index], labels[frame.done.index] = frame.images[position], frame.labels[position]
        journal.add(frame.done)
        progress.advance()
    return running


def _arrays(folder: Path, split: str, count: int, size: Size, resume: bool) -> tuple[Bytes, Bytes]:
    height, width = size
    folder.mkdir(exist_ok=True)
    files = {images_file(split): (count, height, width, 3), labels_file(split): (count, height, width)}
    try:
        images, labels = (
            open_array(folder / name, "r+", shape) if resume else create_array(folder / name, shape)
            for name, shape in files.items()
        )
    except ValueError as error:
        reason = short(str(error))
        raise InputError(f"{folder}: what an earlier run left is damaged ({reason}); start again") from None
    return images, labels


def _facts(options: PrepareOptions, plan: Plan, sha256: str, done: dict[Key, Done], size: Size) -> DatasetFacts:
    frames = {name: [done[name, index] for index in range(len(pairs))] for name, pairs in plan.splits.items()}
    height, width = size
    # By the source's pixels, so that a scene calibrates at every size or at none.
    val = frames.get(CALIBRATION_SPLIT, [])
    calibration = choose_calibration(_table([frame.source_pixels for frame in val], plan.space), plan.seed).tolist()
    return DatasetFacts(
        width=width,
        height=height,
        label_space=plan.space.name,
        class_names=plan.space.names,
        colours=plan.space.colours,
        source=options.source.resolve().name,
        plan_sha256=sha256,
        splits={name: _split(plan.splits[name], split, plan, size) for name, split in frames.items()},
        calibration=tuple(calibration),
        calibration_sha256=hash_of_frames([val[index].sha256 for index in calibration]),
        evaluation_sha256=hash_of_frames([frame.sha256 for index, frame in enumerate(val) if index not in calibration]),
    )


def _split(pairs: list[Pair], frames: list[Done], plan: Plan, size: Size) -> Split:
    class_pixels = _table([frame.class_pixels[plan.sizes.index(size)] for frame in frames], plan.space).sum(axis=0)
    return Split(
        names=tuple(pair.name for pair in pairs),
        class_pixels=tuple(int(count) for count in class_pixels),
        sha256=tuple(frame.sha256 for frame in frames),
    )


def _table(rows: list[tuple[int, ...]], space: LabelSpace) -> npt.NDArray[np.int64]:
    """Return rows of pixel counts as int64 [N, C], also where there is none."""
    return np.asarray(rows, dtype=np.int64).reshape(len(rows), space.class_count)


def _existing(target: Path, plan: Plan, sha256: str) -> list[Dataset]:
    """Return the datasets at `target`; raise InputError if they are not what the plan would make."""
    folders = [_subfolder(target, plan, size) for size in plan.sizes]
    if all((folder / DATASET_FILE).is_file() for folder in folders):
        datasets = [Dataset(folder) for folder in folders]
        if all(dataset.facts.plan_sha256 == sha256 for dataset in datasets):
            return datasets
    raise InputError(f"{target} exists and is not this dataset; remove it or name another folder")


def _subfolder(folder: Path, plan: Plan, size: Size) -> Path:
    return folder if len(plan.sizes) == 1 else folder / str(size)


def _count(labels: Bytes, space: LabelSpace) -> tuple[int, ...]:
    """Return how many pixels of each class `labels` has; ignore is not counted."""
    return tuple(np.bincount(labels.ravel(), minlength=256)[: space.class_count].tolist())


@contextmanager
def _removed_on_error(folder: Path) -> Iterator[None]:
    """Remove `folder` if the block fails, but not if it is interrupted: that work is gone on with."""
    try:
        yield
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
