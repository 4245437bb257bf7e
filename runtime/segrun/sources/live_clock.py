"""Monotonic times for live sources, whatever cameras and networks send."""

import time
from fractions import Fraction

TIME_BASE = Fraction(1, 90_000)
"""The unit of the times of live sources, in seconds: that of RTP and of MPEG-TS."""

_JUMP = 10  # seconds; a stream whose times jump further has started again


class LiveClock:
    """Counts from zero at the first frame, in units of TIME_BASE, each frame later than the one before.

    Times that the frames carry are kept while they make sense. Where they go back, or jump, as after a camera was
    switched off and on, or where there are none, wall time is used.
    """

    def __init__(self) -> None:
        self._shift: Fraction | None = None
        self._last = Fraction(0)
        self._came_at = Fraction(0)
        self._pts = -1

    def restart(self) -> None:
        """Expect times unrelated to those before."""
        self._shift = None

    def pts(self, seconds: Fraction | None) -> int:
        """Return the time of the frame that has just come; `seconds` is its own time, None if it has none."""
        came_at = Fraction(time.perf_counter())
        if seconds is None:
            seconds = came_at
        first = self._pts < 0
        shown = None if self._shift is None else seconds + self._shift
        if shown is None or not self._last <= shown <= self._last + _JUMP:
            shown = Fraction(0) if first else self._last + came_at - self._came_at
            self._shift = shown - seconds
        self._last, self._came_at = shown, came_at
        self._pts = max(round(shown / TIME_BASE), self._pts + 1)
        return self._pts
