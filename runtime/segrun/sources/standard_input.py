"""Video from another program, through standard input: as a file, or raw."""

import re
import sys
from io import BufferedReader
from typing import BinaryIO, cast

from segdata.errors import InputError
from segdata.video.reader import VideoReader, is_pixel_format
from segrun.sources.base import Source, SourceKind

WORD = "-"

_RAW = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})(?::(\w+))?(?:@([1-9][0-9]*(?:[./][0-9]+)?))?")


def open_standard_input(raw: str | None) -> Source:
    """Return what standard input holds: a video, or with `raw` (WIDTHxHEIGHT[:FORMAT][@RATE]) frames without a header.

    Raises InputError if nothing is piped to it, it is no video, or `raw` does not say what frames are.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("-: nothing is piped to standard input; need a video, as in: cat street.ts | seg-run -")
    # Unbuffered: a buffer waits until it is full, and its lock stops Python from leaving while a read waits.
    pipe = cast("BinaryIO", cast("BufferedReader", sys.stdin.buffer).raw)
    if raw is None:
        return VideoReader(pipe, shown_as="standard input")
    return VideoReader(pipe, format="rawvideo", options=_raw_options(raw), shown_as="standard input")


def _raw_options(raw: str) -> dict[str, str]:
    """Return the options of FFmpeg's rawvideo demuxer."""
    matched = _RAW.fullmatch(raw)
    pixels = (matched[3] or "rgb24") if matched else ""
    if not matched or not is_pixel_format(pixels):
        raise InputError(f"--raw {raw}: need WIDTHxHEIGHT[:FORMAT][@RATE], as 1280x720:yuv420p@25")
    return {"video_size": f"{matched[1]}x{matched[2]}", "pixel_format": pixels, "framerate": matched[4] or "25"}


KIND = SourceKind(
    takes=lambda word: word == WORD,
    open=lambda _, options: open_standard_input(options.raw),
    name=lambda _: "stdin",
)
