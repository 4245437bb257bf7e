"""Recognises the layout of a folder: of those that its names allow, the one whose label files hold labels."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from segdata.dataset.dataset import DATASET_FILE
from segdata.errors import InputError
from segdata.labels import CITYSCAPES_29, LabelSpace
from segdata.options import Ids
from segdata.prepare.layouts.annotated import IGNORE, annotated_layouts, hugging_face
from segdata.prepare.layouts.delivered import delivered, official
from segdata.prepare.layouts.folders import two_folders
from segdata.prepare.layouts.judging import judged, with_ids
from segdata.prepare.layouts.one_folder import one_folder, side_by_side
from segdata.prepare.pair import Found

_CANDIDATES: tuple[Callable[[Path], list[Found]], ...] = (official, two_folders, one_folder, side_by_side)

_NOTHING = (
    "no labelled images found; need leftImg8bit/ and gtFine/, images/ and masks/, folders of other known "
    "names, SPLIT/ of side-by-side images, or another tool's annotations (see seg-data prepare --help)"
)


def find_layout(source: Path, space: LabelSpace = CITYSCAPES_29, ids: Ids = "auto", background: str = IGNORE) -> Found:
    """Return the one layout of `source` whose label files hold labels of `space`.

    A dataset that comes in folders or tables of its own (`delivered`, `hugging_face`) is taken alone. Else annotations
    of other tools are looked for first; `background` is the class of their pixels in no region.

    The names of folders and files make candidates, and `judged` says by a sample of the label files which of them it
    is. Raises InputError if none is left, saying what was seen in the first, or two are; if a folder has two images of
    one name (0001.jpg and 0001.png); or if ids of Cityscapes may be trainIds (`with_ids`).
    """
    if not source.is_dir():
        there = "a file" if source.exists() else "no such folder"
        raise InputError(f"{source}: {there}; need a folder with labelled images (see seg-data prepare --help)")
    if (source / DATASET_FILE).is_file():
        raise InputError(f"{source}: prepared already; train on it, or name the folder of images that it was made of")
    found: list[Found | InputError] = []
    others: list[Found | InputError] = []
    for outcome in _outcomes(source, space, background):
        (found if isinstance(outcome, Found) and outcome.pairs else others).append(outcome)
    if len(found) > 1:
        names = " and ".join(outcome.layout for outcome in found if isinstance(outcome, Found))
        raise InputError(f"{source}: has the layouts {names}; need one: move the other out")
    first = (found or others or [InputError(f"{source}: {_NOTHING}")])[0]
    if isinstance(first, InputError):
        raise first
    return with_ids(first, space, ids)


def _outcomes(source: Path, space: LabelSpace, background: str) -> Iterator[Found | InputError]:
    """Yield each layout that is there, or has only files without their pair, or why it is not, in order."""
    alone = [outcome for find in (delivered, hugging_face) for outcome in _judged(partial(find, source, space), space)]
    yield from alone
    if not alone:
        yield from annotated_layouts(source, space, background)
        for candidates in _CANDIDATES:
            yield from _judged(partial(candidates, source), space)


def _judged(candidates: Callable[[], list[Found]], space: LabelSpace) -> Iterator[Found | InputError]:
    try:
        named = candidates()
    except InputError as error:
        yield error
        return
    for candidate in named:
        try:
            if candidate.pairs or candidate.alone:
                yield judged(candidate, space) if candidate.pairs else candidate
        except InputError as error:
            yield error


def complete(source: Path, found: Found) -> Found:
    """Return what was found; raise InputError if a file stands alone."""
    if found.alone:
        first = found.alone[0]
        raise InputError(
            f"{source}: {len(found.alone)} files without their pair, the first is {first.file}; "
            f"add {first.missing} or remove it"
        )
    return found
