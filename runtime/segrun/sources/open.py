"""Finds out what the user means by an input, and opens it."""

import glob
import re
import sys
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from segdata.errors import InputError
from segdata.video.reader import VideoReader, is_pixel_format
from segrun.options import RunOptions
from segrun.sources.base import Source
from segrun.sources.image import SUFFIXES, ImageSource, natural_order
from segrun.sources.network import SCHEMES, NetworkSource, without_password
from segrun.sources.webcam import WebcamSource

STANDARD_INPUT = "-"

_RAW = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})(?::(\w+))?(?:@([1-9][0-9]*(?:[./][0-9]+)?))?")


def expand(inputs: Sequence[str]) -> list[str]:
    """Return `inputs` with the files that match in the place of each pattern, frame2 before frame10.

    Shells do that, but not those of Windows. A name that exists is no pattern. Raises InputError if nothing matches.
    """
    words = []
    for word in inputs:
        if _is_address(word) or Path(word).exists() or not glob.has_magic(word):
            words.append(word)
            continue
        found = sorted(glob.glob(word, recursive=True), key=natural_order)  # noqa: PTH207 - a pattern may be absolute
        if not found:
            raise InputError(f"{word}: no file matches; need a video, or a pattern like videos/*.mp4")
        words.extend(found)
    return words


def open_source(word: str, options: RunOptions) -> Source:
    """Open a video, an image, a folder of images, a webcam's number, an address or, as "-", standard input.

    Raises InputError if it is none of these, or cannot be read.
    """
    path = Path(word)
    if word == STANDARD_INPUT:
        return _standard_input(options.raw)
    if _is_address(word):
        return NetworkSource(word, options.timeout, options.reconnect)
    if _is_webcam(word):
        return WebcamSource(int(word))
    if path.is_dir():
        return ImageSource.of_folder(path)
    if not path.is_file():
        raise InputError(f"{word}: no such file; need a video, a folder of images, a webcam's number or an address")
    if path.suffix.lower() in SUFFIXES:
        return ImageSource(word, [path])
    return VideoReader(path)


def is_live(word: str) -> bool:
    """Return whether an input is a webcam or an address, where what matters is how soon a frame is shown."""
    return _is_address(word) or _is_webcam(word)


def name_of(word: str) -> str:
    """Return what files that are made of an input are named for; raise InputError for an address that is none."""
    if word == STANDARD_INPUT:
        return "stdin"
    if _is_webcam(word):
        return f"webcam{word}"
    if _is_address(word):
        try:
            address = urlsplit(word)
        except ValueError as error:  # a bracket that is not closed
            shown = without_password(word)
            raise InputError(f"{shown}: not an address ({error}); need one like rtsp://camera/street") from None
        name = Path(address.path).stem or address.hostname or address.scheme
        return re.sub(r"[^\w.-]+", "_", name)
    return Path(word).resolve().name if Path(word).is_dir() else Path(word).stem


def _is_address(word: str) -> bool:
    return word.lower().startswith(tuple(f"{scheme}://" for scheme in SCHEMES))


def _is_webcam(word: str) -> bool:
    return re.fullmatch("[0-9]+", word) is not None and not Path(word).exists()


def _standard_input(raw: str | None) -> Source:
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("-: nothing is piped to standard input; need a video, as in: cat street.ts | seg-run -")
    # Unbuffered: a buffer waits until it is full, and its lock stops Python from leaving while a read waits.
    pipe = cast("BinaryIO", cast("BufferedReader", sys.stdin.buffer).raw)
    if raw is None:
        return VideoReader(pipe, shown_as="standard input")
    return VideoReader(pipe, format="rawvideo", options=_raw_options(raw), shown_as="standard input")


def _raw_options(raw: str) -> dict[str, str]:
    """Return what FFmpeg's rawvideo demuxer is to be told."""
    matched = _RAW.fullmatch(raw)
    pixels = (matched[3] or "rgb24") if matched else ""
    if not matched or not is_pixel_format(pixels):
        raise InputError(f"--raw {raw}: need WIDTHxHEIGHT[:FORMAT][@RATE], as 1280x720:yuv420p@25")
    return {"video_size": f"{matched[1]}x{matched[2]}", "pixel_format": pixels, "framerate": matched[4] or "25"}
