"""The figures that the preview shows beside its picture."""

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import numpy as np

from segdata.labels import Colour, hexadecimal
from segrun.frame import Segmented

_SPAN = 2.0  # seconds that the speed is taken over
_LATENCIES = 200  # frames that the latency is taken over


class Share(TypedDict):
    """How much of the picture a class covers, 0 to 1, and its colour as #rrggbb."""

    name: str
    share: float
    colour: str


class Latency(TypedDict):
    """How long frames took from decoded to shown, in milliseconds: the median and the 99th percentile."""

    p50: float
    p99: float


class InputStats(TypedDict):
    """One of several inputs: its frames a second, how many of its frames were shown and dropped, whether it ended."""

    name: str
    fps: float
    frames: int
    dropped: int
    ended: bool


class Stats(TypedDict):
    """The figures at one moment: of the run so far, of its last seconds, and of its newest frame.

    `fps` is frames a second, `seconds` where in the source the newest frame is; `shares` has the largest first. Before
    the first frame, `latency_ms` and `seconds` are None. Of several inputs the figures are those of all together, with
    the mean of their shares and no `seconds`, and `inputs` has those of each.
    """

    frames: int
    fps: float
    latency_ms: Latency | None
    shares: list[Share]
    seconds: float | None
    inputs: list[InputStats]


class Figures:
    """Counts frames in one thread, and says in another how the run goes."""

    def __init__(self, classes: tuple[str, ...], colours: tuple[Colour, ...]) -> None:
        """`colours` are the RGB of `classes`, one each."""
        self._colours = {name: hexadecimal(rgb) for name, rgb in zip(classes, colours, strict=True)}
        self._lock = threading.Lock()
        self._newest: Segmented | None = None
        self._frames = 0
        self._started = 0.0
        self._shown: deque[float] = deque()  # when each frame of the last _SPAN came; the very first one began the span
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
        return stats_of([self])

    def seen(self) -> "Seen":
        """Return what was counted so far."""
        with self._lock:
            return Seen(self._newest, self._frames, self._started, list(self._shown), list(self._latencies))

    def colour_of(self, name: str) -> str:
        """Return the colour of a class, as #rrggbb."""
        return self._colours[name]


class Seen(NamedTuple):
    """What one run has counted; times are by `time.perf_counter`, in seconds."""

    newest: Segmented | None
    frames: int
    started: float
    shown: list[float]
    latencies: list[float]

    @property
    def fps(self) -> float:
        """Frames a second, of the last seconds."""
        now = time.perf_counter()
        recent = sum(moment > now - _SPAN for moment in self.shown)
        return recent / min(_SPAN, now - self.started) if recent else 0.0


def stats_of(runs: Sequence[Figures]) -> Stats:
    """Return the figures of one run, or of several that go on at the same time, at this moment."""
    seen = [run.seen() for run in runs]
    newest = [found.newest for found in seen if found.newest is not None]
    if not newest:
        return Stats(frames=0, fps=0.0, latency_ms=None, shares=[], seconds=None, inputs=[])
    p50, p99 = np.percentile([latency for found in seen for latency in found.latencies], [50, 99])
    shares: Counter[str] = Counter()
    for each in newest:
        shares.update({name: share / len(newest) for name, share in each.shares.items()})
    return Stats(
        frames=sum(found.frames for found in seen),
        fps=sum(found.fps for found in seen),
        latency_ms=Latency(p50=float(p50) * 1000, p99=float(p99) * 1000),
        shares=[
            Share(name=name, share=share, colour=runs[0].colour_of(name))
            for name, share in sorted(shares.items(), key=lambda item: -item[1])
        ],
        seconds=newest[0].frame.seconds if len(runs) == 1 else None,
        inputs=[],
    )
