"""How many frames a second: the engine alone, and from decoded to encoded frame."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segdata.errors import InputError
from segdata.pyav_reader import VideoReader
from segdata.spec import ModelSpec
from segrun.frame import FrameMaker
from segrun.options import RunOptions
from segrun.run import run
from segrun.runner import Frames, Runner

WARM_UP_FRAMES = 10


@dataclass(frozen=True)
class Rate:
    """Frames a second in each round. `spread` is (highest - lowest) / median."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """How far the rounds lie apart, as a fraction of the median."""
        return (max(self.rounds) - min(self.rounds)) / self.median


def read_frames(video: Path, spec: ModelSpec, count: int) -> Frames:
    """Return up to `count` frames of `video` at the model's size, uint8 [N, H, W, 3].

    Raises InputError if none can be decoded.
    """
    frames = []
    with VideoReader(video) as reader:
        make = FrameMaker(spec)
        for item in reader.frames():
            frames.append(make(item, started=0).small)
            if len(frames) == count:
                break
    if not frames:
        raise InputError(f"{video}: no frame could be decoded; the file is broken: get it again")
    return np.stack(frames)


def engine_rate(runner: Runner, frames: Frames, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return frames a second of `runner` alone: all `frames` over the wall time they take, one after the other."""
    start = clock()
    for frame in frames:
        runner(frame[None])
    return len(frames) / (clock() - start)


def warm_up(runner: Runner, frames: Frames) -> None:
    """Run a few frames untimed: the first ones pay for memory and code that later ones find ready."""
    for frame in frames[:WARM_UP_FRAMES]:
        runner(frame[None])


def end_to_end_rate(video: Path, folder: Path, runner: Runner) -> float:
    """Return frames a second of what seg-run does with `video`: decode, resize, network, overlay, encode, write."""
    target = folder / "benchmark.mp4"
    return run(RunOptions((str(video),), (str(target),)), str(video), runner).fps
