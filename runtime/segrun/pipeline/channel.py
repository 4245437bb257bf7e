"""A bounded queue between two stages of the pipeline; either side can close it."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from segdata.errors import EdgeSegError

Item = TypeVar("Item")

_SHORT = 0.1  # seconds
_BURST_LASTS = 1.0  # seconds
_JITTER = 4  # items by which a shrinking queue may grow for a moment


class ChannelClosedError(EdgeSegError):
    """A channel is closed, and all its items were taken."""


class ChannelCancelledError(EdgeSegError):
    """The other side of a channel has given up; its remaining items will not be used."""


class Channel(Generic[Item]):
    """Holds up to `capacity` items. `put` waits for room, or with `drop_oldest` makes it and counts in `dropped`.

    `taken` counts what `get` has returned. With `drop_oldest` more items may wait for a while, see `expect_burst`.

    Every wait is a loop of short ones: on Windows, a long one cannot be interrupted by Ctrl-C.
    """

    def __init__(self, capacity: int, drop_oldest: bool = False) -> None:
        self._items: deque[Item] = deque()
        self._capacity = capacity
        self._drop_oldest = drop_oldest
        self._closed = self._cancelled = False
        self._changed = threading.Condition()
        self._burst, self._burst_until = 0, 0.0
        self.taken = self.dropped = 0

    def put(self, item: Item) -> None:
        """Add an item, after there is room for it; raise ChannelCancelledError once cancelled."""
        with self._changed:
            self._end_growth()
            while len(self._items) >= max(self._capacity, self._burst) and not self._cancelled:
                if self._drop_oldest:
                    self._burst = 0
                    self._items.popleft()
                    self.dropped += 1
                else:
                    self._changed.wait(_SHORT)
            if self._cancelled:
                raise ChannelCancelledError("the stage that takes the frames has stopped")
            self._items.append(item)
            self._changed.notify_all()

    def get(self) -> Item | None:
        """Return the next item, or None if none came within a short time, so that the caller can do other checks.

        Raises ChannelClosedError when it is closed and empty, ChannelCancelledError once cancelled.
        """
        with self._changed:
            if not self._items and not self._closed and not self._cancelled:
                if time.perf_counter() > self._burst_until:
                    self._burst = 0
                self._changed.wait(_SHORT)
            if self._cancelled:
                raise ChannelCancelledError("the stage that gives the frames has stopped")
            if self._items:
                item = self._items.popleft()
                self.taken += 1
                self._changed.notify_all()
                return item
            if self._closed:
                raise ChannelClosedError("no more items")
            return None

    def expect_burst(self, most: int) -> None:
        """Let up to `most` items come in the next second, and wait until they are taken.

        If more wait later than after that second, items come faster than they are taken. Then the limit is `capacity`
        again, as it is once all were taken, so that no later item waits behind a burst for long.
        """
        with self._changed:
            self._burst, self._burst_until = most, time.perf_counter() + _BURST_LASTS

    def _end_growth(self) -> None:
        """After a burst, leave room only for its items that still wait."""
        if not self._burst or time.perf_counter() <= self._burst_until:
            return
        waiting = len(self._items)
        self._burst = min(self._burst, waiting + _JITTER) if waiting >= self._capacity else 0

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        """Yield items until the channel is closed and empty; raise ChannelCancelledError once cancelled."""
        while True:
            try:
                item = self.get()
            except ChannelClosedError:
                return
            if item is not None:
                yield item

    def close(self) -> None:
        """Say that no more items will come; those in the channel can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def cancel(self) -> None:
        """End both sides at once."""
        with self._changed:
            self._cancelled = True
            self._items.clear()
            self._changed.notify_all()
