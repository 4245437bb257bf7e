"""A video file."""

from pathlib import Path

from segdata.video.reader import VideoReader
from segrun.options import RunOptions
from segrun.sources.base import Source


def open_source(word: str, _: RunOptions) -> Source:
    """Open a file that is there; raise InputError if it is no video."""
    return VideoReader(Path(word))
