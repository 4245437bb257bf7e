"""One runner for several runs at the same time, which take turns."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from segrun.runners.base import Frames, Inferred, Runner


class Turns:
    """Lets `count` threads through at a time, in the order in which they came."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, which lasts for the block."""
        with self._lock:
            called = threading.Event()
            if self._free:
                self._free -= 1
                called.set()
            else:
                self._waiting.append(called)
        called.wait()
        try:
            yield
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().set()
                else:
                    self._free += 1


class SharedRunner(Runner):
    """Runs another runner's artefact, one frame after the other, for one of several runs that share it.

    The other runner is closed by its opener.
    """

    def __init__(self, runner: Runner, turns: Turns) -> None:
        """Share `runner`; all that share it have the same `turns`, as many at a time as its `in_flight`."""
        self._runner, self._turns = runner, turns
        self.name, self.device, self.chosen = runner.name, runner.device, runner.chosen
        self.spec, self.batch, self.has_confidence = runner.spec, runner.batch, runner.has_confidence
        self.precision, self.computes = runner.precision, runner.computes
        self.calibration_frames, self.weights = runner.calibration_frames, runner.weights

    def _free(self) -> None:
        pass

    def _infer(self, frames: Frames) -> Inferred:
        with self._turns.turn():
            return self._runner.infer(frames)
