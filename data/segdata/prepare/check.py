"""Checks labelled images on disk before anything is made of them."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from segdata.command_line.progress import SILENT, Progress
from segdata.cores import usable_cores
from segdata.dataset.coverage import coverage_remarks
from segdata.errors import InputError
from segdata.labels import IGNORE_INDEX, LabelSpace
from segdata.options import CheckOptions
from segdata.prepare.label_files import find_label_space
from segdata.prepare.labels.decoding import describe
from segdata.prepare.labels.label_image import file_bytes
from segdata.prepare.labels.reading import read_pair
from segdata.prepare.layouts.find import find_layout
from segdata.prepare.pair import Found, Pair

_NO_PIXELS = np.zeros(256, np.int64)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its kind, and which file, in words."""

    kind: str
    detail: str


@dataclass(frozen=True)
class CheckReport:
    """The layout, frames by split, and everything that is wrong; `remarks` are other facts, a line each."""

    layout: str
    frames: dict[str, int]
    problems: list[Problem]
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Looked:
    split: str
    pair: Pair
    image_sha256: str
    problems: list[Problem]
    pixels: npt.NDArray[np.int64]  # [256], by class


def check(options: CheckOptions, progress: Progress = SILENT) -> CheckReport:
    """Read every pair below `options.source` and return what is wrong with it.

    Looks for files without their pair, broken and truncated ones, images of the wrong kind, sizes that differ, unknown
    ids or colours, photos in place of labels, labels without any class, a source with only one class, and images that
    are in two splits (a leak). Raises InputError if there is no layout to check.
    """
    space = find_label_space(options.label_space)
    found = find_layout(options.source, space, options.ids, options.background)
    frames = [(split, pair) for split, pairs in found.splits.items() for pair in pairs]
    progress.start(len(frames))
    looked = []
    with ThreadPoolExecutor(usable_cores()) as executor:
        for result in executor.map(partial(_look, space), frames):
            looked.append(result)
            progress.advance()
    by_split = {split: sum((f.pixels for f in looked if f.split == split), _NO_PIXELS) for split in found.splits}
    problems = [
        *_alone(found),
        *(problem for frame in looked for problem in frame.problems),
        *_leaks(looked),
        *_one_class(space, sum(by_split.values(), _NO_PIXELS)),
    ]
    remarks = [
        line
        for split, pixels in by_split.items()
        for line in coverage_remarks(split, space.names, pixels[: space.class_count].tolist(), int(pixels.sum()))
    ]
    frames_of = {split: len(pairs) for split, pairs in found.splits.items()}
    return CheckReport(found.layout, frames_of, problems, [*found.remarks, *remarks])


def _look(space: LabelSpace, frame: tuple[str, Pair]) -> _Looked:
    split, pair = frame
    problems = []
    pixels = _NO_PIXELS
    try:
        read = read_pair(pair, space)
    except InputError as error:
        problems.append(Problem("unreadable", str(error)))
    else:
        if read.unknown:
            problems.append(Problem("unknown labels", f"{pair.labels}: {describe(read.unknown)}"))
        pixels = np.bincount(read.labels.ravel(), minlength=256)
        if pixels[IGNORE_INDEX] == read.labels.size:
            problems.append(Problem("empty labels", f"{pair.labels}: no pixel is of any class"))
    try:
        digest = sha256(file_bytes(pair.image)).hexdigest()
    except InputError:
        digest = ""  # already reported as unreadable
    return _Looked(split, pair, digest, problems, pixels)


def _alone(found: Found) -> Iterable[Problem]:
    return (Problem("missing pair", f"{alone.file}: missing {alone.missing}") for alone in found.alone)


def _one_class(space: LabelSpace, pixels: npt.NDArray[np.int64]) -> Iterable[Problem]:
    present = np.flatnonzero(pixels[: space.class_count])
    if len(present) == 1 < space.class_count:
        yield Problem(
            "one class", f"all pixels that are of a class are {space.names[present[0]]}; nothing to tell apart"
        )


def _leaks(looked: list[_Looked]) -> Iterable[Problem]:
    """Return the images whose bytes are in more than one split."""
    places: dict[str, list[_Looked]] = defaultdict(list)
    for frame in looked:
        if frame.image_sha256:
            places[frame.image_sha256].append(frame)
    for same in places.values():
        if len({frame.split for frame in same}) > 1:
            yield Problem("in two splits", " = ".join(str(frame.pair.image) for frame in same))
