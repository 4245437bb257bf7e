"""A video file: what every word means that means nothing else."""

from pathlib import Path

from segdata.errors import InputError
from segdata.video.reader import VideoReader
from segrun.options import RunOptions
from segrun.sources.base import Source, SourceKind


def open_video_file(word: str, _: RunOptions) -> Source:
    """Open the file; raise InputError if there is none, or it is no video."""
    path = Path(word)
    if not path.is_file():
        raise InputError(f"{word}: no such file; need a video, a folder of images, a webcam's number or an address")
    return VideoReader(path)


KIND = SourceKind(takes=lambda _: True, open=open_video_file, name=lambda word: Path(word).stem)
