"""The ring of slots, shared by threads: each slot has one frame at a time, and nobody waits for ever."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from segdata.errors import EdgeSegError
from segrun.runners.base import Frames, Inferred
from segrun.runners.ring import Ring

PATIENCE = 60  # seconds after which a test that hangs fails


class EchoSlot:
    """Returns its input a little later; reports if it is used for two frames at once."""

    def __init__(self) -> None:
        self._frames: Frames | None = None
        self.clashes = 0

    def submit(self, frames: Frames) -> None:
        self.clashes += self._frames is not None
        self._frames = frames.copy()

    def result(self) -> Inferred:
        assert self._frames is not None
        frames = self._frames
        time.sleep(0.0005)
        self._frames = None
        return Inferred(frames)

    def drain(self) -> None:
        self._frames = None


def item(number: int) -> Frames:
    return np.array([number], np.uint8)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_calls_and_streams_of_many_threads_get_their_own_labels(count: int) -> None:
    slots = [EchoSlot() for _ in range(count)]
    ring = Ring(slots)

    def stream(first: int) -> list[int]:
        return [int(found.labels[0]) for found in ring.stream(item(first + number) for number in range(20))]

    with ThreadPoolExecutor(8) as pool:
        streams = [pool.submit(stream, first) for first in (0, 100, 200)]
        calls = [pool.submit(ring.call, item(number)) for number in range(100)]
        assert [int(call.result(PATIENCE).labels[0]) for call in calls] == list(range(100))
        assert [found.result(PATIENCE) for found in streams] == [
            list(range(first, first + 20)) for first in (0, 100, 200)
        ]
    assert sum(slot.clashes for slot in slots) == 0


def test_streams_that_rest_leave_a_slot_for_others() -> None:
    ring = Ring([EchoSlot(), EchoSlot(), EchoSlot()])
    streams = [ring.stream(item(number) for number in range(9)) for _ in range(5)]
    with ThreadPoolExecutor(1) as pool:
        for number in range(9):
            for stream in streams:
                assert next(stream).labels[0] == number
                assert pool.submit(ring.call, item(77)).result(PATIENCE).labels[0] == 77


def test_a_stream_whose_frames_need_the_ring_goes_on() -> None:
    ring = Ring([EchoSlot(), EchoSlot()])

    def frames() -> Iterator[Frames]:
        for number in range(9):
            yield ring.call(item(number)).labels

    assert [int(found.labels[0]) for found in ring.stream(frames())] == list(range(9))


def test_closing_waits_for_calls_and_ends_those_that_wait() -> None:
    ring = Ring([EchoSlot()])
    outcomes: list[int | str] = []

    def hammer() -> None:
        try:
            while True:
                outcomes.append(int(ring.call(item(5)).labels[0]))
        except EdgeSegError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    while not outcomes:
        time.sleep(0.001)
    ring.close()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    ends = [outcome for outcome in outcomes if outcome != 5]
    assert len(ends) == 4
    assert all("closed" in str(end) for end in ends)
