"""The network's stage: frames go in in batches, and come out one by one with their labels."""

import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing

import numpy as np

from segrun.frame import Frame, Segmented
from segrun.pipeline.stage_clock import StageClock
from segrun.runners.base import Frames, Runner


class Inference:
    """Runs the network on frames as they come; `clock` counts its work, without the time that it waits for frames.

    `one_by_one`, each frame is yielded before the next is waited for.
    """

    def __init__(self, runner: Runner, clock: StageClock, one_by_one: bool) -> None:
        self._runner, self._clock, self._one_by_one = runner, clock, one_by_one
        self._at_work: deque[list[Frame]] = deque()  # batches that the runner has
        self._waited = 0.0

    def segmented(self, frames: Iterator[Frame]) -> Generator[Segmented, None, None]:
        """Yield each of `frames` with its labels. However it ends, the device is done with its frames then."""
        batches = self._batches(frames)
        one_by_one = (self._runner.infer(batch) for batch in batches)
        stream = one_by_one if self._one_by_one else self._runner.infer_stream(batches)
        with closing(stream):
            while True:
                self._waited = 0.0
                start = time.perf_counter()
                found = next(stream, None)
                if found is None:
                    return
                now = time.perf_counter()
                self._clock.add("network", start + self._waited, now)
                for index, frame in enumerate(self._at_work.popleft()):  # the last batch may be padded
                    confidence = None if found.confidence is None else found.confidence[index]
                    yield Segmented(frame, found.labels[index], self._runner.spec.class_names, now, confidence)

    def _batches(self, frames: Iterator[Frame]) -> Iterator[Frames]:
        """Yield the batches for the runner, the last one padded."""
        size = self._runner.batch
        while batch := [frame for _ in range(size) if (frame := self._next(frames))]:
            self._at_work.append(batch)
            padded = batch + [batch[-1]] * (size - len(batch))
            yield np.stack([frame.small for frame in padded])

    def _next(self, frames: Iterator[Frame]) -> Frame | None:
        start = time.perf_counter()
        try:
            return next(frames, None)
        finally:
            self._waited += time.perf_counter() - start
