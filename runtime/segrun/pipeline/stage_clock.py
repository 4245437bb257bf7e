"""Measures how long and when each stage of the pipeline works."""

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SPANS_KEPT = 2000
"""Enough for the timeline of a few hundred frames; a run of hours keeps no more."""


@dataclass(frozen=True)
class Span:
    """A stage at work, from `start` to `stop` by `time.perf_counter`, in seconds."""

    stage: str
    start: float
    stop: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.stop - self.start


class StageClock:
    """Adds up the seconds of each stage in `totals`, and keeps the last spans. Each stage belongs to one thread."""

    def __init__(self) -> None:
        self.totals: defaultdict[str, float] = defaultdict(float)
        self.spans: deque[Span] = deque(maxlen=SPANS_KEPT)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Measure the block as work of `stage`, whether or not it raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, start, time.perf_counter())

    def add(self, stage: str, start: float, stop: float) -> Span:
        """Add work of `stage` that was measured elsewhere, and return it."""
        span = Span(stage, start, stop)
        self.totals[stage] += span.seconds
        self.spans.append(span)
        return span
