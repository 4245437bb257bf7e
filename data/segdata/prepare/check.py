"""What is wrong with labelled images on disk, before anything is made of them."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from os import cpu_count

import numpy as np

from segdata.errors import InputError
from segdata.labels import IGNORE_INDEX, LabelSpace
from segdata.options import CheckOptions
from segdata.prepare.label_files import find_label_space
from segdata.prepare.layouts import Found, Pair, find_layout
from segdata.prepare.reading import describe, read_pair
from segdata.progress import SILENT, Progress


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its kind, and which file, in words."""

    kind: str
    detail: str


@dataclass(frozen=True)
class CheckReport:
    """The layout, frames by split, and everything that is wrong; nothing was written."""

    layout: str
    frames: dict[str, int]
    problems: list[Problem]


@dataclass(frozen=True)
class _Looked:
    split: str
    pair: Pair
    image_sha256: str
    problems: list[Problem]


def check(options: CheckOptions, progress: Progress = SILENT) -> CheckReport:
    """Read every pair below `options.source` and return what is wrong with it.

    Looks for files without their pair, broken and truncated ones, images of the wrong kind, sizes that differ, unknown
    ids or colours, labels without any class, and images that stand in two splits (a leak). Raises InputError if there
    is no layout to check.
    """
    found = find_layout(options.source)
    space = find_label_space(options.label_space)
    frames = [(split, pair) for split, pairs in found.splits.items() for pair in pairs]
    progress.start(len(frames))
    looked = []
    with ThreadPoolExecutor(cpu_count()) as executor:
        for result in executor.map(partial(_look, space), frames):
            looked.append(result)
            progress.advance()
    problems = [*_alone(found), *(problem for frame in looked for problem in frame.problems), *_leaks(looked)]
    return CheckReport(found.layout, {split: len(pairs) for split, pairs in found.splits.items()}, problems)


def _look(space: LabelSpace, frame: tuple[str, Pair]) -> _Looked:
    split, pair = frame
    problems = []
    try:
        read = read_pair(pair, space)
    except InputError as error:
        problems.append(Problem("unreadable", str(error)))
    else:
        if read.unknown:
            problems.append(Problem("unknown labels", f"{pair.labels}: {describe(read.unknown)}"))
        if np.all(read.labels == IGNORE_INDEX):
            problems.append(Problem("empty labels", f"{pair.labels}: no pixel is of any class"))
    try:
        digest = sha256(pair.image.read_bytes()).hexdigest()
    except OSError:
        digest = ""  # already told as unreadable
    return _Looked(split, pair, digest, problems)


def _alone(found: Found) -> Iterable[Problem]:
    return (Problem("missing pair", f"{alone.file}: lacks {alone.lacks}") for alone in found.alone)


def _leaks(looked: list[_Looked]) -> Iterable[Problem]:
    """Return the images whose bytes stand in more than one split."""
    places: dict[str, list[_Looked]] = defaultdict(list)
    for frame in looked:
        if frame.image_sha256:
            places[frame.image_sha256].append(frame)
    for same in places.values():
        if len({frame.split for frame in same}) > 1:
            yield Problem("in two splits", " = ".join(str(frame.pair.image) for frame in same))
