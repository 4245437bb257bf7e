"""Reads another program's output: standard input, a named pipe, and the shell's `<(...)`."""

import io
import os
import re
import struct
import sys
from pathlib import Path
from typing import BinaryIO, cast

from segdata.errors import InputError
from segdata.video.container import is_pixel_format
from segdata.video.reader import VideoReader
from segrun.options import RunOptions
from segrun.sources.base import Source, SourceKind

_RAW = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})(?::(\w+))?(?:@([1-9][0-9]*(?:[./][0-9]+)?))?")

_STANDARD = ("-", "/dev/stdin", "/dev/fd/0")

# Boxes of an MP4 or a MOV that may come before its index, "moov", or its pictures, "mdat" (ISO/IEC 14496-12).
_BEFORE = (b"ftyp", b"free", b"skip", b"wide", b"uuid", b"pnot", b"styp")
_FURTHEST = 1 << 20  # bytes that are searched for them


def open_pipe(word: str, options: RunOptions) -> Source:
    """Open a pipe; raise InputError if nothing is piped, or it is not a video, or its index comes last."""
    name = "standard input" if word in _STANDARD else word
    # Unbuffered: a buffer waits until it is full, and its lock keeps Python from exiting while a read waits.
    pipe = _standard_input() if word in _STANDARD else _opened(word)
    if options.raw is not None:
        return VideoReader(pipe, format="rawvideo", options=_raw_options(options.raw), shown_as=name)
    if pipe.seekable():  # a file, redirected with <
        return VideoReader(pipe, shown_as=name)
    looked = _LookAhead(pipe, close=word not in _STANDARD)
    if _index_comes_last(looked):
        looked.close()
        raise InputError(
            f"{name}: an MP4 with its index at its end cannot be read from a pipe; name the file or redirect it with <"
        )
    return VideoReader(cast("BinaryIO", looked), shown_as=name)


class _LookAhead(io.RawIOBase):
    """A pipe whose beginning can be looked at before it is read."""

    def __init__(self, pipe: BinaryIO, close: bool) -> None:
        self._pipe, self._close_pipe = pipe, close
        self._head = b""

    def look(self, count: int) -> bytes:
        """Return the first `count` bytes, fewer if the pipe ends before."""
        while len(self._head) < count and (more := self._pipe.read(count - len(self._head))):
            self._head += more
        return self._head[:count]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # any writable buffer
        data = self._head[: len(buffer)] or self._pipe.read(len(buffer)) or b""
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if self._close_pipe:
            self._pipe.close()
        super().close()


def _index_comes_last(pipe: _LookAhead) -> bool:
    """Return whether an MP4's pictures come before its index: FFmpeg would read to the end, and cannot go back."""
    at = 0
    while at < _FURTHEST:
        head = pipe.look(at + 16)[at:]
        if len(head) < 8:
            return False
        size, kind = struct.unpack(">I4s", head[:8])
        if kind not in _BEFORE:
            return bool(kind == b"mdat")
        at += struct.unpack(">Q", head[8:])[0] if size == 1 and len(head) == 16 else max(size, 8)
    return False


def _standard_input() -> BinaryIO:
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("-: nothing is piped to standard input; need a video, as in: cat street.ts | seg-run -")
    return cast("BinaryIO", cast("io.BufferedReader", sys.stdin.buffer).raw)


def _opened(word: str) -> BinaryIO:
    """Open a named pipe, which waits for its writer."""
    try:
        pipe = io.FileIO(word)
    except OSError as error:
        raise InputError(f"{word}: cannot be read ({error.strerror}); need a video, or a pipe with one") from None
    if os.isatty(pipe.fileno()):
        pipe.close()
        raise InputError(f"{word}: a terminal; need a video, or a pipe with one")
    return cast("BinaryIO", pipe)


def _raw_options(raw: str) -> dict[str, str]:
    """Return the options of FFmpeg's rawvideo demuxer."""
    matched = _RAW.fullmatch(raw)
    pixels = (matched[3] or "rgb24") if matched else ""
    if not matched or not is_pixel_format(pixels):
        raise InputError(f"--raw {raw}: need WIDTHxHEIGHT[:FORMAT][@RATE], as 1280x720:yuv420p@25")
    return {"video_size": f"{matched[1]}x{matched[2]}", "pixel_format": pixels, "framerate": matched[4] or "25"}


def _takes(word: str) -> bool:
    path = Path(word)
    return word in _STANDARD or path.is_fifo() or path.is_socket() or path.is_char_device()


def _name(word: str) -> str:
    if word in _STANDARD:
        return "stdin"
    return "pipe" if word.startswith("/dev/") else Path(word).stem  # the shell's <(...) is /dev/fd/63


KIND = SourceKind(takes=_takes, open=open_pipe, name=_name)
