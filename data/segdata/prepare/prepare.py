"""Labelled images on disk -> prepared datasets, once: on all cores, all sizes in one pass, resumable."""

import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from segdata.command_line.progress import SILENT, Progress
from segdata.cores import usable_cores
from segdata.dataset.arrays import create_array, open_array
from segdata.dataset.coverage import dataset_remarks
from segdata.dataset.dataset import DATASET_FILE, Dataset, images_file, labels_file
from segdata.dataset.facts import CALIBRATION_SPLIT, DatasetFacts
from segdata.errors import InputError
from segdata.files import on_disk
from segdata.images.size import Size
from segdata.options import PrepareOptions
from segdata.prepare.calibration_split import choose_calibration, hash_of_frames
from segdata.prepare.frame import Bytes, Key, PreparedFrame, pixel_table, prepare_pair, split_facts
from segdata.prepare.journal import Done, Journal
from segdata.prepare.plan import Plan, make_plan
from segdata.text import short


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

    `progress` counts the frames that are left to do. Where the target is already what would be made, nothing is done.
    An interrupted run continues from `.TARGET.partial`. Raises InputError
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
        with Journal(folder, sha256, plan.may_have) as journal:
            resumed = len(journal.done)
            progress.start(len(plan.frames()) - resumed)
            _fill(folder, plan, journal, progress)
        for size in plan.sizes:
            facts = _facts(options, plan, sha256, journal.done, size)
            (plan.folder(folder, size) / DATASET_FILE).write_text(facts.to_json())
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


def _fill(folder: Path, plan: Plan, journal: Journal, progress: Progress) -> None:
    """Write the pixels of every frame that the journal does not have, and note each there."""
    arrays = {
        (size, split): _arrays(plan.folder(folder, size), split, len(pairs), size, resume=bool(journal.done))
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
    # By the source's pixels, so that a scene calibrates at every size or at no size.
    val = frames.get(CALIBRATION_SPLIT, [])
    calibration = choose_calibration(
        pixel_table([frame.source_pixels for frame in val], plan.space), plan.seed
    ).tolist()
    return DatasetFacts(
        width=width,
        height=height,
        label_space=plan.space.name,
        class_names=plan.space.names,
        colours=plan.space.colours,
        source=options.source.resolve().name,
        plan_sha256=sha256,
        splits={
            name: split_facts(plan.splits[name], split, plan.sizes.index(size), plan.space)
            for name, split in frames.items()
        },
        calibration=tuple(calibration),
        calibration_sha256=hash_of_frames([val[index].sha256 for index in calibration]),
        evaluation_sha256=hash_of_frames([frame.sha256 for index, frame in enumerate(val) if index not in calibration]),
    )


def _existing(target: Path, plan: Plan, sha256: str) -> list[Dataset]:
    """Return the datasets at `target`; raise InputError if they are not what the plan would make."""
    folders = [plan.folder(target, size) for size in plan.sizes]
    if all((folder / DATASET_FILE).is_file() for folder in folders):
        datasets = [Dataset(folder) for folder in folders]
        if all(dataset.facts.plan_sha256 == sha256 for dataset in datasets):
            return datasets
    raise InputError(f"{target} exists and is not this dataset; remove it or name another folder")


@contextmanager
def _removed_on_error(folder: Path) -> Iterator[None]:
    """Remove `folder` if the block fails, but not if it is interrupted: the next run continues with it."""
    try:
        yield
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
