"""Channels: nothing is lost, nothing is doubled, nobody waits for a stage that has stopped."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrun.pipeline.channel import Channel, ChannelCancelledError, ChannelClosedError

WATCHDOG = 10  # seconds after which a thread counts as hung


def in_thread(work: "threading.Thread") -> None:
    work.join(WATCHDOG)
    assert not work.is_alive(), "hung"


@settings(max_examples=60, deadline=None)
@given(count=st.integers(0, 50), capacity=st.integers(1, 5))
def test_items_arrive_once_and_in_order(count: int, capacity: int) -> None:
    channel = Channel[int](capacity)
    most = 0

    def give() -> None:
        for item in range(count):
            channel.put(item)
        channel.close()

    giver = threading.Thread(target=give)
    giver.start()
    taken = []
    for item in channel:
        most = max(most, len(channel._items))
        taken.append(item)
    in_thread(giver)
    assert taken == list(range(count))
    assert most <= capacity
    assert channel.dropped == 0


@given(count=st.integers(0, 30), capacity=st.integers(1, 5))
def test_dropping_keeps_the_newest_and_counts_the_others(count: int, capacity: int) -> None:
    channel = Channel[int](capacity, drop_oldest=True)
    for item in range(count):
        channel.put(item)  # nobody takes any, and it does not wait
    channel.close()
    kept = list(channel)
    assert kept == list(range(count))[-capacity:]
    assert channel.dropped == count - len(kept)


def test_closing_ends_it_after_the_last_item() -> None:
    channel = Channel[int](3)
    channel.put(1)
    channel.close()
    assert channel.get() == 1
    with pytest.raises(ChannelClosedError):
        channel.get()


def test_nothing_yet_is_none_so_that_a_caller_can_look_up() -> None:
    assert Channel[int](1).get() is None


def test_a_full_channel_waits_and_cancelling_frees_who_waits() -> None:
    channel = Channel[int](1)
    channel.put(1)
    said = []

    def give() -> None:
        try:
            channel.put(2)
        except ChannelCancelledError:
            said.append("cancelled")

    giver = threading.Thread(target=give)
    giver.start()
    giver.join(0.2)
    assert giver.is_alive()
    channel.cancel()
    in_thread(giver)
    assert said == ["cancelled"]
    with pytest.raises(ChannelCancelledError):
        channel.get()
    with pytest.raises(ChannelCancelledError):
        channel.put(3)


def test_cancelling_frees_who_waits_for_an_item() -> None:
    channel = Channel[int](1)
    said = []

    def take() -> None:
        try:
            list(channel)
        except ChannelCancelledError:
            said.append("cancelled")

    taker = threading.Thread(target=take)
    taker.start()
    channel.cancel()
    in_thread(taker)
    assert said == ["cancelled"]


def after_a_burst(monkeypatch: pytest.MonkeyPatch) -> tuple[Channel[int], list[float]]:
    """Return a channel in which 20 items of a burst wait, and the time, in seconds, which the test sets."""
    now = [0.0]
    monkeypatch.setattr("segrun.pipeline.channel.time.perf_counter", lambda: now[0])
    channel = Channel[int](1, drop_oldest=True)
    channel.expect_burst(100)
    for item in range(20):
        channel.put(item)
    return channel, now


def test_a_burst_may_wait_and_what_comes_after_it_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    channel, now = after_a_burst(monkeypatch)
    now[0] = 2.0  # the second of the burst is over
    for item in range(20, 24):
        channel.put(item)  # jitter
    assert (len(channel), channel.dropped) == (24, 0)
    channel.put(24)  # they come faster than they are taken
    assert (len(channel), channel.dropped) == (1, 24)


def test_a_burst_that_is_worked_off_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    channel, now = after_a_burst(monkeypatch)
    taken = []
    for item in range(20, 39):
        now[0] += 0.2
        taken += [channel.get(), channel.get()]
        channel.put(item)
    assert channel.dropped == 0
    assert taken == list(range(38))
