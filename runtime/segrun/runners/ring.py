"""A ring of slots: several frames in flight, and their labels in the order the frames came."""

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from typing import Protocol

from segdata.errors import EdgeSegError
from segrun.runners.base import Frames, Labels


class Slot(Protocol):
    """What one frame in flight needs of the device."""

    def submit(self, frames: Frames) -> None:
        """Start on `frames`, which the caller may change as soon as this returns."""

    def result(self) -> Labels:
        """Wait for what was submitted, and return its labels in an array of the caller's own."""

    def drain(self) -> None:
        """Wait until the device is done with this slot, and forget what came of it. Raises nothing."""


class Ring:
    """Hands out slots, so that each is used for one frame at a time.

    Whenever the caller has control, at least one slot is free: a stream gives one back before it yields. So calls and
    other streams may come in the middle of a stream; they only leave it fewer slots.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._free = deque(slots)
        self._closed = False

    def call(self, frames: Frames) -> Labels:
        """Return the labels of `frames`."""
        slot = self._free.popleft()
        try:
            slot.submit(frames)
            return slot.result()
        except BaseException:
            slot.drain()
            raise
        finally:
            self._free.append(slot)

    def stream(self, frames: Iterable[Frames]) -> Generator[Labels, None, None]:
        """Yield the labels of each item, in order, with as many items in flight as there are free slots.

        However it ends (the last item, an error, a caller that stops early), the device is done with the items.
        """
        in_flight: deque[Slot] = deque()
        try:
            for item in frames:
                in_flight.append(self._free.popleft())
                in_flight[-1].submit(item)
                if not self._free:
                    yield self._oldest(in_flight)
            while in_flight:
                yield self._oldest(in_flight)
        finally:
            for slot in in_flight:
                if not self._closed:
                    slot.drain()
                self._free.append(slot)

    def close(self) -> None:
        """Stop the streams that are under way: their next item is an error, and they leave the slots alone."""
        self._closed = True
        self._free.clear()

    def _oldest(self, in_flight: deque[Slot]) -> Labels:
        if self._closed:
            raise EdgeSegError("the runner was closed in the middle of a stream; close it after the last item")
        labels = in_flight[0].result()
        self._free.append(in_flight.popleft())
        return labels
