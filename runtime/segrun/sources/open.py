"""Recognises an input and opens it."""

import glob
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from segrun.options import RunOptions
from segrun.sources import image, network, pipe, video_file, webcam
from segrun.sources.base import Source, SourceKind
from segrun.sources.image import files_in, natural_order

KINDS = (network.KIND, webcam.KIND, pipe.KIND, image.FOLDER, image.FILE, video_file.KIND)
"""The kinds of sources; the first that accepts a word opens it. A new one is a file and a place here."""


def expand(inputs: Sequence[str]) -> list[str]:
    """Return `inputs` with each pattern replaced by the files that match it, and each folder of videos by the videos.

    The shells of Windows do not expand patterns. A name that exists is not a pattern, and a pattern without a match
    stays: opening it is an error. Files are in `natural_order`: frame2 before frame10.
    """
    words = []
    for word in map(_local, inputs):
        found = [word]
        with suppress(OSError):  # a name that cannot be checked is an error when it is opened
            if glob.has_magic(word) and not network.is_address(word) and not Path(word).exists():
                found = sorted(glob.glob(word, recursive=True), key=natural_order) or [word]  # noqa: PTH207
            found = [file for name in found for file in (_videos_of(name) if Path(name).is_dir() else [name])]
        words.extend(found)
    return words


def kind_of(word: str) -> SourceKind:
    """Return what kind of input a word means."""
    word = _local(word)
    return next(kind for kind in KINDS if kind.takes(word))


def open_source(word: str, options: RunOptions) -> Source:
    """Open a video, an image, a folder of images, a webcam, an address, a pipe or, as "-", standard input.

    Raises InputError if it is none of these, or cannot be read.
    """
    return kind_of(word).open(_local(word), options)


def is_live(word: str) -> bool:
    """Return whether an input is a webcam or an address, where a frame's delay matters most."""
    return kind_of(word).live


def is_file(word: str) -> bool:
    """Return whether an input is a video, an image or a folder of images: it can be read again from its beginning."""
    return kind_of(word).repeatable


def name_of(word: str) -> str:
    """Return what an input's results are named after; raise InputError for an invalid address."""
    return kind_of(word).name(_local(word))


def _videos_of(folder: str) -> list[str]:
    """Return the videos in a folder, and the folder itself if there are images in it, or if it has neither."""
    videos = [str(path) for path in files_in(Path(folder), video_file.SUFFIXES)]
    return [*([] if videos and not files_in(Path(folder), image.SUFFIXES) else [folder]), *videos]


def _local(word: str) -> str:
    """Return the name of the file that file:///PATH means, and every other word unchanged."""
    here = re.match(r"file://(?:localhost)?(?:/(?=[a-z]:)|(?=/))", word, re.IGNORECASE)  # file:///C:/a.mp4 is C:/a.mp4
    return unquote(word[here.end() :]) if here else word
