"""Computes the times of the frames of a stream, in display order; knows nothing of files."""

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Generic, TypeVar

Item = TypeVar("Item")

MOST_WAITING = 16
"""Frames that wait for a frame whose time is known."""


class FrameTimes(Generic[Item]):
    """Gives frames, which come in the order they are shown, times that increase. Times are in ticks of any unit.

    A frame whose time lies between its neighbours' keeps it. The others, and those without a time, are spread between
    the frames around them, which keep their times. So a frame waits for the next one.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._step = 1
        self._counting = False
        self._waiting: list[tuple[Item, int | None, int]] = []

    def put(self, item: Item, time: int | None, step: int) -> Iterator[tuple[Item, int]]:
        """Take the next frame, which lasts about `step`, and yield those whose time is known now, with it."""
        late = time is not None and self._last is not None and time <= self._last
        if late:
            time = None
        at = self._timed()
        if time is not None and at is not None:
            known = self._waiting[at][1]
            assert known is not None
            if time > known:
                yield from self._settled(at + 1)
            elif time == known or self._is_nearer(at, known, time):
                time = None
            else:
                self._waiting[at] = self._waiting[at][0], None, self._waiting[at][2]
        self._waiting.append((item, time, max(step, 1)))
        self._counting = self._counting and time is None
        if self._counting or len(self._waiting) > MOST_WAITING:
            self._counting = self._timed() is None and not late
            if late:  # and so did all that wait: they are yielded at once, until the others have caught up
                self._step = 1
            yield from self.end()

    def end(self) -> Iterator[tuple[Item, int]]:
        """Yield the frames that still wait, with their times."""
        at = self._timed()
        if at is not None:
            yield from self._settled(at + 1)
        yield from self._settled(len(self._waiting))

    def _timed(self) -> int | None:
        """Return which of the waiting frames has a time; never more than one has."""
        return next((index for index, (_, time, _) in enumerate(self._waiting) if time is not None), None)

    def _is_nearer(self, at: int, known: int, time: int) -> bool:
        """Return whether the waiting frame's time is nearer to the expected one than the new frame's."""
        if self._last is None:
            return False
        expected = [self._last + self._step * (place + 1) for place in (at, len(self._waiting))]
        return abs(known - expected[0]) < abs(time - expected[1])

    def _settled(self, count: int) -> Iterator[tuple[Item, int]]:
        """Yield the first `count` frames: the last of them at its own time, if it has one, the others before that."""
        if not count:
            return
        settled, self._waiting = self._waiting[:count], self._waiting[count:]
        own = settled[-1][1]
        if self._last is None:
            self._step = settled[0][2]
            self._last = -self._step if own is None else own - self._step * count
        start, step = self._last, self._step
        for number, (item, _, item_step) in enumerate(settled, 1):
            shown = start + step * number
            if own is not None:
                shown = own if number == count else min(shown, start + (own - start) * number // count)
            self._last = max(shown, self._last + 1)
            self._step = item_step
            yield item, self._last


class DecodingOrder:
    """The times of frames whose packets say when they are decoded, and not when they are shown (AVI).

    As many frames are shown as are decoded, so the frame that is shown as the Nth has the Nth time.
    """

    def __init__(self) -> None:
        self._times: list[int] = []

    def sent(self, time: int) -> None:
        """Take the time of a packet that goes into the decoder."""
        heappush(self._times, time)

    def shown(self, own: int, key: bool) -> int:
        """Return when the next frame is shown; its packet had the time `own`. `key` says that it is a key frame.

        No frame before a key frame is shown after it: the times of lost packets are forgotten there.
        """
        while key and len(self._times) > 1 and self._times[0] < own:
            heappop(self._times)
        return heappop(self._times) if self._times else own
