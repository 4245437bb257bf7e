"""Segmented frames for the tests of sinks."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path

import numpy as np

from segdata.labels import CITYSCAPES_29
from segdata.synth import scene
from segdata.video.picture import Picture
from segrun.frame import Frame, Segmented
from segrun.sinks.base import Sink

RATE = Fraction(25)
HEIGHT, WIDTH = 96, 128
NOISE = np.random.default_rng(0)


def segmented(
    index: int,
    *,
    name: str | None = None,
    rate: Fraction = RATE,
    size: tuple[int, int] = (HEIGHT, WIDTH),
    noise: bool = False,
) -> Segmented:
    """A scene in a frame of `size`, with the labels of a quarter of it; or noise, which nothing can compress."""
    height, width = size
    if noise:
        image = NOISE.integers(0, 256, (height, width, 3), dtype=np.uint8)
        labels = NOISE.integers(0, CITYSCAPES_29.class_count, (height, width), dtype=np.uint8)
    else:
        made = scene(index, height, width)
        image, labels = made.image, made.labels[::4, ::4].copy()
    frame = Frame(
        Picture.from_rgb(image), image[::4, ::4].copy(), index, 1 / rate, name or f"{index:06}", 10, 0.5, 0.25
    )
    return Segmented(frame, labels, CITYSCAPES_29.names, 10.125)


def write(sink: Sink, frames: Iterable[Segmented]) -> None:
    for frame in frames:
        sink.write(frame, frame.frame.picture if sink.shows else None)


def write_all(sink: Sink, frames: Iterable[Segmented]) -> None:
    write(sink, frames)
    sink.finish()


def write_until_full(sink: Sink, refused: Callable[..., AbstractContextManager[None]], target: Path) -> None:
    with refused(f"^cannot write {target}.*No space left on device.*; choose another place"):
        write(sink, (segmented(index, size=(256, 256), noise=True) for index in range(100)))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
