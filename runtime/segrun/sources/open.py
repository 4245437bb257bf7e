"""Finds out what an input is, and opens it."""

import glob
from collections.abc import Sequence
from pathlib import Path

from segdata.errors import InputError
from segrun.options import RunOptions
from segrun.sources import image, network, standard_input, video_file, webcam
from segrun.sources.base import Source, SourceKind
from segrun.sources.image import natural_order

KINDS = (standard_input.KIND, network.KIND, webcam.KIND, image.FOLDER, image.FILE, video_file.KIND)
"""The kinds of sources; a word is of the first that takes it. A new one is a file and a place here."""


def expand(inputs: Sequence[str]) -> list[str]:
    """Return `inputs` with each pattern replaced by the files that match it, frame2 before frame10.

    The shells of Windows do not do that. A name that exists is no pattern. Raises InputError if nothing matches.
    """
    words = []
    for word in inputs:
        if kind_of(word) is network.KIND or Path(word).exists() or not glob.has_magic(word):
            words.append(word)
            continue
        found = sorted(glob.glob(word, recursive=True), key=natural_order)  # noqa: PTH207 - a pattern may be absolute
        if not found:
            raise InputError(f"{word}: no file matches; need a video, or a pattern like videos/*.mp4")
        words.extend(found)
    return words


def kind_of(word: str) -> SourceKind:
    """Return what kind of input a word means."""
    return next(kind for kind in KINDS if kind.takes(word))


def open_source(word: str, options: RunOptions) -> Source:
    """Open a video, an image, a folder of images, a webcam's number, an address or, as "-", standard input.

    Raises InputError if it is none of these, or cannot be read.
    """
    return kind_of(word).open(word, options)


def is_live(word: str) -> bool:
    """Return whether an input is a webcam or an address, where what matters is how soon a frame is shown."""
    return kind_of(word).live


def name_of(word: str) -> str:
    """Return what an input's results are named for; raise InputError for an address that is none."""
    return kind_of(word).name(word)
