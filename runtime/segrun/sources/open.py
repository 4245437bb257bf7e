"""Finds the source for what the user names as an input."""

import glob
import re
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from segdata.addresses import without_password
from segdata.errors import InputError
from segrun.options import RunOptions
from segrun.sources.base import Source

STANDARD_INPUT, WEBCAM, FOLDER, PIPE, VIDEO = "-", "webcam", "/", "pipe", "video"

IMAGES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""What names of images end in, in lower case."""

VIDEOS = (
    ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts",
    ".vob", ".webm", ".wmv",
)  # fmt: skip
"""What names of videos in a folder end in. A video that is named itself may have any name."""

SCHEMES = ("rtsp", "rtsps", "rtp", "rtmp", "rtmps", "srt", "http", "https", "udp", "tcp")
"""What addresses begin with."""

SOURCES: Final = {
    STANDARD_INPUT: "pipe",
    PIPE: "pipe",
    WEBCAM: "webcam",
    FOLDER: "image",
    VIDEO: "video",
    **dict.fromkeys(IMAGES, "image"),
    **{f"{scheme}://": "network" for scheme in SCHEMES},
}
"""The module of `segrun.sources` whose `open_source` opens what is named so. A new source is a line here."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # one letter is a disk of Windows
_OWN_RESULT = ".seg"  # what a stem ends in that seg-run chose: in a folder, such files are no inputs


def expand(inputs: Sequence[str]) -> list[str]:
    """Return `inputs` with the files that match in place of each pattern, and the videos in place of their folder.

    Shells expand patterns, but not those of Windows. A name that exists is no pattern, and one that nothing matches
    stays: to open it is an error. Files are in `natural_order`: frame2 before frame10.
    """
    words = []
    for word in map(_local, inputs):
        found = [word]
        with suppress(OSError):  # what cannot be looked at is an error when it is opened
            if glob.has_magic(word) and not _SCHEME.match(word) and not Path(word).exists():
                found = sorted(glob.glob(word, recursive=True), key=natural_order) or [word]  # noqa: PTH207
            found = [file for name in found for file in (_videos_of(name) if Path(name).is_dir() else [name])]
        words.extend(found)
    return words


def kind_of(word: str) -> str:
    """Return the key of SOURCES for an input; raise InputError for an address that edgeseg does not read."""
    path = Path(word)
    if word in (STANDARD_INPUT, "/dev/stdin", "/dev/fd/0"):
        return STANDARD_INPUT
    if address := _SCHEME.match(word):
        if address[0].lower() not in SOURCES:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise InputError(f"{without_password(word)}: {address[0]} is not read; need {known} or the name of a file")
        return address[0].lower()
    if (re.fullmatch("[0-9]+", word) and not path.exists()) or (word.startswith("/dev/video") and path.exists()):
        return WEBCAM
    if path.is_dir():
        return FOLDER
    if path.is_fifo() or path.is_socket() or path.is_char_device():
        return PIPE
    return path.suffix.lower() if path.suffix.lower() in IMAGES else VIDEO


def open_source(word: str, options: RunOptions) -> Source:
    """Open a video, an image, a folder of images, a webcam, an address, a pipe or, as "-", standard input.

    Raises InputError if it is none of these, or cannot be read.
    """
    word = _local(word)
    kind = kind_of(word)
    if kind.startswith((".", VIDEO)) and not Path(word).is_file():
        if glob.has_magic(word):
            raise InputError(f"{word}: no file matches; need a video, or a pattern like videos/*.mp4")
        raise InputError(
            f"{word}: no such file; need a video, a folder of images or videos, a webcam's number or an address"
        )
    return cast("Source", import_module(f"segrun.sources.{SOURCES[kind]}").open_source(word, options))


def is_live(word: str) -> bool:
    """Return whether an input is a webcam or an address, where what matters is how soon a frame is shown."""
    return _SCHEME.match(_local(word)) is not None or kind_of(word) == WEBCAM


def name_of(word: str) -> str:
    """Return what files that are made of an input are named for; raise InputError for an address that is none."""
    word = _local(word)
    kind = kind_of(word)
    if kind == STANDARD_INPUT:
        return "stdin"
    if kind == WEBCAM:
        return f"webcam{re.sub('[^0-9]', '', word)}"
    if kind.endswith("://"):
        shown = without_password(word)
        try:
            address = urlsplit(shown)
            name = Path(address.path).stem or address.hostname or address.scheme
        except ValueError as error:  # a bracket that is not closed
            raise InputError(f"{shown}: not an address ({error}); need one like rtsp://camera/street") from None
        return re.sub(r"[^\w.-]+", "_", name)
    if kind == PIPE and word.startswith("/dev/"):  # the shell's <(...)
        return "pipe"
    return Path(word).resolve().name if kind == FOLDER else Path(word).stem


def natural_order(name: str) -> list[str | int]:
    """Return a key that sorts frame2 before frame10."""
    parts: list[str | int] = list(re.split("([0-9]+)", name.lower()))
    parts[1::2] = map(int, parts[1::2])
    return [*parts, name]


def files_in(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return the files of a folder whose names end so, in `natural_order`, without hidden ones and own results."""
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and not path.stem.endswith(_OWN_RESULT)
    ]
    return sorted(found, key=lambda path: natural_order(path.name))


def _videos_of(folder: str) -> list[str]:
    """Return the videos in a folder, and the folder itself if there are images in it, or nothing at all."""
    videos = [str(path) for path in files_in(Path(folder), VIDEOS)]
    return [*([] if videos and not files_in(Path(folder), IMAGES) else [folder]), *videos]


def _local(word: str) -> str:
    """Return the name of the file that file:///PATH means, and every other word as it is."""
    here = re.match("file://(localhost)?(?=/)", word, re.IGNORECASE)
    return url2pathname(word[here.end() :]) if here else word
