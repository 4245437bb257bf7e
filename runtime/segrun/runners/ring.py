"""A ring of slots: several frames in flight, and their labels in the order the frames came."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from segdata.errors import EdgeSegError
from segrun.runners.base import Frames, Inferred


class Slot(Protocol):
    """The resources of the device for one frame in flight."""

    def submit(self, frames: Frames) -> None:
        """Start on `frames`, which the caller may change as soon as this returns."""

    def result(self) -> Inferred:
        """Wait for what was submitted, and return its labels in arrays of the caller's own."""

    def drain(self) -> None:
        """Wait until the device is done with this slot, and discard the result. Raises nothing."""


class Ring:
    """Hands out slots, so that each is used for one frame at a time. Any number of threads may use it.

    A call waits for a free slot. Whenever the caller of a stream has control, at least one slot is free: a stream gives
    one back before it yields, whatever other streams hold. So calls and streams only wait for ones that are running.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._free = deque(slots)
        self._closed = False
        self._given_back = threading.Condition()
        self._at_work = 0  # threads with work on the device

    def call(self, frames: Frames) -> Inferred:
        """Return the labels of `frames`."""
        slot = self._take()
        assert slot is not None  # a call waits
        try:
            with self._working():
                slot.submit(frames)
                return slot.result()
        except BaseException:
            self._drain(slot)
            raise
        finally:
            self._give_back(slot)

    def stream(self, frames: Iterable[Frames]) -> Generator[Inferred, None, None]:
        """Yield the labels of each item, in order, with as many items in flight as there are free slots.

        However it ends (the last item, an error, a caller that stops early), the device is done with the items.
        """
        in_flight: deque[Slot] = deque()
        done: deque[Inferred] = deque()
        try:
            for item in frames:
                while (slot := self._take(wait=not in_flight)) is None:
                    done.append(self._oldest(in_flight))
                in_flight.append(slot)
                with self._working():
                    slot.submit(item)
                while in_flight and not self._free:
                    done.append(self._oldest(in_flight))
                while done:
                    yield done.popleft()
            while in_flight:
                yield self._oldest(in_flight)
        finally:
            for slot in in_flight:
                self._drain(slot)
                self._give_back(slot)

    def close(self, free: Callable[[], None] = lambda: None) -> None:
        """Stop the running streams: their next item is an error, and they leave the slots alone.

        `free` frees what the slots need, once no call in another thread is at work any more.
        """
        with self._given_back:
            self._closed = True
            self._given_back.notify_all()
            while self._at_work:
                self._given_back.wait()
        free()
        self._free.clear()

    def _oldest(self, in_flight: deque[Slot]) -> Inferred:
        with self._working():
            found = in_flight[0].result()
        self._give_back(in_flight.popleft())
        return found

    def _take(self, wait: bool = True) -> Slot | None:
        """Return a free slot; None if there is none and the caller does not wait."""
        with self._given_back:
            while not self._free and wait and not self._closed:
                self._given_back.wait()
            self._check_open()
            return self._free.popleft() if self._free else None

    def _give_back(self, slot: Slot) -> None:
        with self._given_back:
            self._free.append(slot)
            self._given_back.notify_all()

    def _drain(self, slot: Slot) -> None:
        with suppress(EdgeSegError), self._working():  # nothing of a closed runner is left to wait for
            slot.drain()

    @contextmanager
    def _working(self) -> Iterator[None]:
        with self._given_back:
            self._check_open()
            self._at_work += 1
        try:
            yield
        finally:
            with self._given_back:
                self._at_work -= 1
                self._given_back.notify_all()

    def _check_open(self) -> None:
        if self._closed:
            raise EdgeSegError("the runner was closed in the middle of a stream; close it after the last item")
