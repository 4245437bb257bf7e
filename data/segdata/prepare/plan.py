"""Plans a preparation, and checks whether it was done already."""

import hashlib
import json
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from segdata.dataset.dataset import DATASET_FILE
from segdata.dataset.facts import CALIBRATION_SPLIT
from segdata.errors import InputError
from segdata.formats.reading.parquet import Stored
from segdata.images.size import Size
from segdata.labels import LabelSpace
from segdata.options import PrepareOptions
from segdata.prepare.journal import Done
from segdata.prepare.label_files import find_label_space
from segdata.prepare.layouts.find import complete, find_layout
from segdata.prepare.pair import Pair, Splits

SIZE_STEP = 16  # the least that networks divide a frame by; the default --arch and --encoder need 32


@dataclass(frozen=True)
class Plan:
    """The frames of each split, the classes and the sizes of one preparation; what to know about its source."""

    splits: Splits
    space: LabelSpace
    sizes: tuple[Size, ...]
    seed: int
    remarks: tuple[str, ...] = ()

    def frames(self) -> list[tuple[str, int, Pair]]:
        """Return split name, position in the split, and pair of every frame, in order."""
        return [(name, index, pair) for name, pairs in self.splits.items() for index, pair in enumerate(pairs)]

    def folder(self, whole: Path, size: Size) -> Path:
        """Return the folder of the dataset of one size in `whole`, which is the dataset itself if there is one size."""
        return whole if len(self.sizes) == 1 else whole / str(size)

    def may_have(self, done: Done) -> bool:
        """Return whether a line of a journal, which may be damaged, can be of one of these frames."""
        counts = (*done.class_pixels, done.source_pixels)
        return (
            0 <= done.index < len(self.splits.get(done.split, []))
            and len(done.class_pixels) == len(self.sizes)
            and all(len(pixels) == self.space.class_count for pixels in counts)
        )

    def sha256(self) -> str:
        """Return the hash of what decides the result: options, classes, and name, size and time of every file."""
        files = [
            (name, pair.name, pair.encoding, *_stamp(pair.image), *_stamp(pair.labels), *_meaning(pair))
            for name, _, pair in self.frames()
        ]
        text = json.dumps([files, astuple(self.space), self.sizes, self.seed])
        return hashlib.sha256(text.encode()).hexdigest()


def make_plan(options: PrepareOptions) -> Plan:
    """Look at the source; raise InputError if it, the label space or a size cannot be used."""
    for size in options.sizes:
        if min(size) < SIZE_STEP:
            raise InputError(f"got size {size}, need {SIZE_STEP} pixels or more a side")
        if not options.any_size and (size.height % SIZE_STEP or size.width % SIZE_STEP):
            near = Size(*(max(SIZE_STEP, round(side / SIZE_STEP) * SIZE_STEP) for side in size))
            raise InputError(
                f"got size {size}, need multiples of {SIZE_STEP} for seg-train's networks, such as {near}; "
                "--any-size takes it for a network of your own"
            )
    if len(set(options.sizes)) < len(options.sizes) or not options.sizes:
        raise InputError("got no size, or one twice; need each once")
    if not 0 < options.val_fraction < 1:
        raise InputError(f"got val fraction {options.val_fraction}, need more than 0 and less than 1")
    if options.seed < 0:
        raise InputError(f"got seed {options.seed}, need 0 or more")
    space = find_label_space(options.label_space)
    found = complete(options.source, find_layout(options.source, space, options.ids, options.background))
    splits = {name: pairs for name, pairs in found.splits.items() if pairs}
    if len(splits) == 1 and CALIBRATION_SPLIT not in splits:
        splits = part_val(next(iter(splits.values())), options.val_fraction, options.seed)
    plan = Plan(splits, space, options.sizes, options.seed, found.remarks)
    for name in (options.source.resolve().name, *splits, *(pair.name for _, _, pair in plan.frames())):
        _check_name(name)
    return plan


def part_val(pairs: list[Pair], fraction: float, seed: int) -> Splits:
    """Return `pairs` as train and val, at least one each; val gets `fraction` of them, chosen by `seed`.

    One pair alone is train.
    """
    if len(pairs) == 1:
        return {"train": pairs}
    count = min(max(round(fraction * len(pairs)), 1), len(pairs) - 1)
    chosen = set(np.random.default_rng(seed).permutation(len(pairs))[:count].tolist())
    return {
        "train": [pair for index, pair in enumerate(pairs) if index not in chosen],
        "val": [pair for index, pair in enumerate(pairs) if index in chosen],
    }


def _meaning(pair: Pair) -> tuple[object, ...]:
    """Return what decides a pair's labels but for its files and the label space."""
    drawn = () if pair.drawing is None else (pair.drawing.background,)
    return drawn if pair.own_ids is None else (*drawn, pair.own_ids.label_ids)


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(f"the name {name!r} is not UTF-8, which {DATASET_FILE} is written in; rename it") from None


def _stamp(file: Stored) -> tuple[int, int]:
    try:
        facts = file.stat()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); replace the file or remove the pair") from None
    return facts.st_size, facts.st_mtime_ns
