"""A short, fair timing of runners: they take turns, so that a slow spell of the machine hits all."""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from segbench.results import Rate
from segrun.runners.base import Frames, Runner

ROUNDS = 5
_WARM_UP_RUNS = 3


def probe(runners: Sequence[Runner], seconds: float, clock: Callable[[], float] = time.perf_counter) -> list[Rate]:
    """Return how many frames a second each of `runners` does, each run for `seconds` in all, in `ROUNDS` rounds.

    The frames are noise: no kernel's speed depends on them.
    """
    frames = [_noise(runner) for runner in runners]
    for runner, own in zip(runners, frames, strict=True):
        for _ in range(_WARM_UP_RUNS):
            runner(own)
    rates: list[list[float]] = [[] for _ in runners]
    for _ in range(ROUNDS):
        for index, runner in enumerate(runners):
            rates[index].append(_rate(runner, frames[index], seconds / ROUNDS, clock))
    return [Rate(tuple(found)) for found in rates]


def _rate(runner: Runner, frames: Frames, seconds: float, clock: Callable[[], float]) -> float:
    start = clock()

    def until_time_is_up() -> Iterator[Frames]:
        yield frames
        while clock() - start < seconds:
            yield frames

    done = sum(len(labels) for labels in runner.stream(until_time_is_up()))
    return done / (clock() - start)


def _noise(runner: Runner) -> Frames:
    shape = (runner.batch, runner.spec.height, runner.spec.width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
