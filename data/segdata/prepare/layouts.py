"""Recognises the layout of a folder: of all that its names allow, the one whose label files hold labels."""

from collections.abc import Callable, Iterator
from pathlib import Path

from segdata.errors import InputError
from segdata.labels import CITYSCAPES_29, LabelSpace
from segdata.options import Ids
from segdata.prepare.folders import two_folders
from segdata.prepare.judging import judged
from segdata.prepare.official import official
from segdata.prepare.one_folder import one_folder
from segdata.prepare.pair import Found, Splits
from segdata.prepare.side_by_side import side_by_side
from segdata.prepare.train_ids import with_ids

_CANDIDATES: tuple[Callable[[Path], list[Found]], ...] = (official, two_folders, one_folder, side_by_side)

_NOTHING = (
    "no labelled images found; need leftImg8bit/ and gtFine/, images/ and masks/, folders of other known "
    "names, or SPLIT/ of side-by-side images (see seg-data prepare --help)"
)


def find_layout(source: Path, space: LabelSpace = CITYSCAPES_29, ids: Ids = "auto") -> Found:
    """Return the one layout of `source` whose label files hold labels of `space`.

    The names of folders and files make candidates, and `judged` says by a sample of the label files which of them it
    is. Raises InputError if none is left, saying what was seen in the first, or two are; if a folder has two images of
    one name (0001.jpg and 0001.png); or if ids of Cityscapes may be trainIds (`with_ids`).
    """
    if not source.is_dir():
        raise InputError(f"{source}: no such folder; need one with labelled images (see seg-data prepare --help)")
    found: list[Found | InputError] = []
    others: list[Found | InputError] = []
    for outcome in _outcomes(source, space):
        (found if isinstance(outcome, Found) and outcome.pairs else others).append(outcome)
    if len(found) > 1:
        names = " and ".join(outcome.layout for outcome in found if isinstance(outcome, Found))
        raise InputError(f"{source}: has the layouts {names}; need one: move the other out")
    first = (found or others or [InputError(f"{source}: {_NOTHING}")])[0]
    if isinstance(first, InputError):
        raise first
    return with_ids(first, space, ids)


def _outcomes(source: Path, space: LabelSpace) -> Iterator[Found | InputError]:
    """Yield each layout that is there, or has files without their pair alone, and why others are not, in order."""
    for candidates in _CANDIDATES:
        try:
            named = candidates(source)
        except InputError as error:
            yield error
            continue
        for candidate in named:
            try:
                if candidate.pairs or candidate.alone:
                    yield judged(candidate, space) if candidate.pairs else candidate
            except InputError as error:
                yield error


def find_pairs(source: Path, space: LabelSpace = CITYSCAPES_29, ids: Ids = "auto") -> Splits:
    """Return the pairs of `source` by split; raise InputError as `find_layout`, or if a file stands alone."""
    return complete(source, find_layout(source, space, ids)).splits


def complete(source: Path, found: Found) -> Found:
    """Return what was found; raise InputError if a file stands alone."""
    if found.alone:
        first = found.alone[0]
        raise InputError(
            f"{source}: {len(found.alone)} files without their pair, the first is {first.file}; "
            f"add {first.missing} or remove it"
        )
    return found
