"""A video file: any input that is not of another kind."""

from glob import has_magic
from pathlib import Path

from segdata.errors import InputError
from segdata.video.reader import VideoReader
from segrun.options import RunOptions
from segrun.sources.base import Source, SourceKind

SUFFIXES = (
    ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts",
    ".vob", ".webm", ".wmv",
)  # fmt: skip
"""The suffixes of videos in a folder. A video that the user names may have any name."""


def open_video_file(word: str, _: RunOptions) -> Source:
    """Open the file; raise InputError if it is missing or not a video."""
    path = Path(word)
    if not path.is_file():
        if has_magic(word):
            raise InputError(f"{word}: no file matches; need a video, or a pattern like videos/*.mp4")
        raise InputError(
            f"{word}: no such file; need a video, a folder of images or videos, a webcam's number or an address"
        )
    return VideoReader(path)


KIND = SourceKind(takes=lambda _: True, open=open_video_file, name=lambda word: Path(word).stem, repeatable=True)
