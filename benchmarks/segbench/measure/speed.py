"""Measures speed: throughput of the network, latency of a single frame, and everything that seg-run does."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from segbench.results import StageSpan
from segdata.errors import InputError
from segdata.spec import ModelSpec
from segdata.video.reader import VideoReader
from segrun.frame import FrameMaker
from segrun.options import RunOptions
from segrun.pipeline.account import RunReport
from segrun.run import run
from segrun.runners.base import Frames, Runner

WARM_UP_FRAMES = 10
_TIMELINE_SPANS = 240  # of about 40 frames, five or six each

Clock = Callable[[], float]


def read_frames(video: Path, spec: ModelSpec, count: int) -> Frames:
    """Return up to `count` frames of `video` as the network sees them, uint8 [N, H, W, 3].

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


def warm_up(runner: Runner, frames: Frames) -> None:
    """Run a few frames untimed: the first ones also allocate memory and load code."""
    for _ in runner.stream(frame[None] for frame in frames[:WARM_UP_FRAMES]):
        pass


def engine_rate(runner: Runner, frames: Frames, clock: Clock = time.perf_counter) -> float:
    """Return frames a second of `runner` alone, with as many frames in flight as it takes: frames over wall time."""
    start = clock()
    done = sum(1 for _ in runner.stream(frame[None] for frame in frames))
    return done / (clock() - start)


def latencies(runner: Runner, frames: Frames, clock: Clock = time.perf_counter) -> Iterator[float]:
    """Yield how many milliseconds each of `frames` takes when it is the only one; the runner waits for its labels."""
    for frame in frames:
        start = clock()
        runner(frame[None])
        yield 1000 * (clock() - start)


def end_to_end(video: Path, folder: Path, runner: Runner) -> RunReport:
    """Do all that seg-run does with `video`: decode, shrink, network, overlay, encode, write.

    Raises KeyboardInterrupt after Ctrl-C: seg-run would keep a part of a run, but its speed means nothing.
    """
    target = folder / "benchmark.mp4"
    report = run(RunOptions(inputs=(str(video),), outputs=(str(target),)), runner)
    if report.interrupted:
        raise KeyboardInterrupt
    return report


def timeline(report: RunReport) -> tuple[StageSpan, ...]:
    """Return the last spans of a run's stages, in milliseconds from the first of them."""
    spans = report.timeline[-_TIMELINE_SPANS:]
    begin = min((span.start for span in spans), default=0.0)
    return tuple(StageSpan(span.stage, 1000 * (span.start - begin), 1000 * (span.stop - begin)) for span in spans)
