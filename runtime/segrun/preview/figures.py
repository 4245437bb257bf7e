"""The figures that the preview shows beside its picture."""

import threading
import time
from collections import deque
from typing import TypedDict

import numpy as np

from segdata.labels import Colour
from segrun.frame import Segmented

_SPAN = 2.0  # seconds that the speed is taken over
_LATENCIES = 200  # frames that the latency is taken over


class Share(TypedDict):
    """How much of the picture a class covers, 0 to 1, and its colour as #rrggbb."""

    name: str
    share: float
    colour: str


class Latency(TypedDict):
    """How long frames took from decoded to shown, in milliseconds: the median, and what 99 of 100 stay under."""

    p50: float
    p99: float


class Stats(TypedDict):
    """The figures at one moment: of the run so far, of its last seconds, and of its newest frame.

    `fps` is frames a second, `seconds` where in the source the newest frame is; `shares` has the largest first. Before
    the first frame, `latency_ms` and `seconds` are None.
    """

    frames: int
    fps: float
    latency_ms: Latency | None
    shares: list[Share]
    seconds: float | None


class Figures:
    """Counts frames in one thread, and says in another how the run goes."""

    def __init__(self, classes: tuple[str, ...], colours: tuple[Colour, ...]) -> None:
        """`colours` are the RGB of `classes`, one each."""
        self._colours = {name: "#{:02x}{:02x}{:02x}".format(*rgb) for name, rgb in zip(classes, colours, strict=True)}
        self._lock = threading.Lock()
        self._newest: Segmented | None = None
        self._frames = 0
        self._started = 0.0
        self._shown: deque[float] = deque()  # when each frame of the last _SPAN came; the first of all began the span
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)

    def add(self, segmented: Segmented) -> None:
        """Count a frame that is shown now."""
        now = time.perf_counter()
        with self._lock:
            if self._newest is None:
                self._started = now
            else:
                self._shown.append(now)
            while self._shown and self._shown[0] <= now - _SPAN:
                self._shown.popleft()
            self._newest = segmented
            self._frames += 1
            self._latencies.append(now - segmented.frame.decoded_at)

    def now(self) -> Stats:
        """Return the figures of this moment."""
        with self._lock:
            newest, frames, started = self._newest, self._frames, self._started
            shown, latencies = list(self._shown), list(self._latencies)
        if newest is None:
            return Stats(frames=0, fps=0.0, latency_ms=None, shares=[], seconds=None)
        now = time.perf_counter()
        recent = sum(moment > now - _SPAN for moment in shown)
        p50, p99 = np.percentile(latencies, [50, 99])
        shares = sorted(newest.shares.items(), key=lambda item: -item[1])
        return Stats(
            frames=frames,
            fps=recent / min(_SPAN, now - started) if recent else 0.0,
            latency_ms=Latency(p50=float(p50) * 1000, p99=float(p99) * 1000),
            shares=[Share(name=name, share=share, colour=self._colours[name]) for name, share in shares],
            seconds=newest.frame.seconds,
        )
