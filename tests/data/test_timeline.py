"""Times always increase, picture and sound are shifted together, and a wrong time affects only its own frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.video.frame_times import DecodingOrder, FrameTimes
from segdata.video.timeline import Timeline

JUMP = Fraction(10)
PICTURE, SOUND = 0, 1
FRAME = Fraction(1, 25)
PACKET = Fraction(1024, 48000)
HOUR = 3600


@dataclass(frozen=True)
class Packet:
    """A packet of a file: it should be shown at `true` seconds, but its time says `said`."""

    stream: int
    true: Fraction
    said: Fraction | None


LENGTHS = {PICTURE: FRAME, SOUND: PACKET}


def recording(
    starts: Fraction | int, says: Fraction | int, seconds: Fraction | int, sound_lag: Fraction = Fraction(3, 10)
) -> list[Packet]:
    """Return a recording of `seconds` from `starts` on; its clock begins at `says`, and sound is later in the file."""
    packets = []
    for stream, lag in ((PICTURE, Fraction(0)), (SOUND, sound_lag)):
        for number in range(int(seconds / LENGTHS[stream])):
            since = number * LENGTHS[stream]
            packets.append((since + lag, Packet(stream, starts + since, says + since)))
    return [packet for _, packet in sorted(packets, key=lambda entry: entry[0])]


def joined(clocks: Sequence[Fraction | int], seconds: Fraction | int = 4) -> list[Packet]:
    return [
        packet
        for number, clock in enumerate(clocks)
        for packet in recording(number * Fraction(seconds), clock, seconds)
    ]


def shown(packets: Sequence[Packet], streams: int = 2) -> list[tuple[Packet, Fraction | None]]:
    """Return when each packet is shown, None if its time has no meaning."""
    timeline = Timeline[Packet](streams, JUMP)
    placed = [
        place
        for packet in packets
        for place in timeline.put(packet.stream, packet, packet.said, LENGTHS[packet.stream])
    ]
    placed += timeline.end()
    assert sorted(map(id, packets)) == sorted(id(place.item) for place in placed)
    times = []
    for place in placed:
        said = place.item.said
        times.append((place.item, None if place.shift is None or said is None else said + place.shift))
    return times


def pictures(packets: Sequence[Packet], streams: int = 2) -> list[tuple[Packet, Fraction]]:
    """Return when each frame is shown: after both steps, in units of a microsecond, as the reader does it."""
    frames = FrameTimes[Packet]()
    settled: list[tuple[Packet, int]] = []
    for packet, time in shown(packets, streams):
        if packet.stream == PICTURE:
            settled += frames.put(packet, None if time is None else round(time * 1_000_000), round(FRAME * 1_000_000))
    settled += frames.end()
    return [(packet, Fraction(time, 1_000_000)) for packet, time in settled]


def errors(times: Sequence[tuple[Packet, Fraction | None]]) -> list[Fraction]:
    """Return how far each is from where it should be, apart from a shift of the whole timeline."""
    first = next(time - packet.true for packet, time in times if time is not None)
    return [time - packet.true - first for packet, time in times if time is not None]


@given(st.lists(st.integers(0, 9000), unique=True, min_size=1), st.sampled_from([1, 2]))
def test_times_that_increase_are_kept_whatever_their_rate(milliseconds: list[int], streams: int) -> None:
    times = [Fraction(time, 1000) for time in sorted(milliseconds)]
    packets = [Packet(PICTURE, time, time) for time in times]
    assert [time for _, time in shown(packets, streams)] == times
    assert [time for _, time in pictures(packets, streams)] == times


CLOCKS = {
    "six recordings": [1.4, 1.4, 1.4, 1.4, 1.4, 1.4],
    "forward by 8 hours": [0, 8 * HOUR],
    "forward by 25 hours": [0, 25 * HOUR],
    "forward, and back again": [100, 8 * HOUR, 104],
    "back by a day": [30 * HOUR, 5],
    "back by half a second": [0, 3.5],
    "the 33 bits of MPEG are over": [2**33 / 90000 - 4, 0],
    "begins below zero": [-8, 20, -20],
}


@pytest.mark.parametrize("clocks", CLOCKS.values(), ids=CLOCKS)
def test_what_follows_goes_on_in_sync_whatever_the_clock_does(clocks: list[float]) -> None:
    times = shown(joined([Fraction(str(clock)) for clock in clocks]))
    assert None not in [time for _, time in times]
    # Nothing overlaps: the picture lasts a little longer than the sound, or the other way round.
    assert all(abs(error) <= FRAME * (len(clocks) - 1) for error in errors(times))
    for stream in (PICTURE, SOUND):
        own = [time for packet, time in times if packet.stream == stream and time is not None]
        assert all(later > earlier for earlier, later in pairwise(own))


def sync_errors(times: Sequence[tuple[Packet, Fraction | None]]) -> list[Fraction]:
    """Return by how much each packet of sound is off the picture of its moment."""
    off = {packet.true: time - packet.true for packet, time in times if packet.stream == PICTURE and time is not None}
    moments = sorted(off)
    found, at = [], 0
    for packet, time in sorted(times, key=lambda entry: entry[0].true):
        while at + 1 < len(moments) and moments[at + 1] <= packet.true:
            at += 1
        if packet.stream == SOUND and time is not None:
            found.append(time - packet.true - off[moments[at]])
    return found


def test_one_shift_is_for_both_even_where_the_sound_is_shorter() -> None:
    clip = [packet for packet in recording(0, 0, 4) if packet.stream == PICTURE or packet.true < Fraction(37, 10)]
    packets = [Packet(p.stream, p.true + 4 * part, p.said) for part in range(6) for p in clip]
    assert set(sync_errors(shown(packets))) == {0}


def test_one_shift_is_for_both_even_where_the_sound_is_longer() -> None:
    clip = [packet for packet in recording(0, 0, 4) if packet.stream == SOUND or packet.true < Fraction(37, 10)]
    packets = [Packet(p.stream, p.true + 4 * part, p.said) for part in range(6) for p in clip]
    times = shown(packets)
    assert max(map(abs, sync_errors(times))) < FRAME
    sound = [time for packet, time in times if packet.stream == SOUND and time is not None]
    assert all(later - earlier >= PACKET for earlier, later in pairwise(sound))


def test_a_clock_that_jumps_for_the_picture_alone_leaves_it_in_sync() -> None:
    packets = [
        Packet(p.stream, p.true, p.true + 8 * HOUR if p.stream == PICTURE and p.true >= 4 else p.true)
        for p in recording(0, 0, 10)
    ]
    assert set(errors(shown(packets))) == {0}


def test_a_picture_that_stands_still_while_the_sound_goes_on_is_no_jump() -> None:
    packets = [p for p in recording(0, 0, 100) if p.stream == SOUND or not 5 < p.true < 95]
    assert set(errors(shown(packets))) == {0}


def test_sound_that_begins_after_the_clock_changed_has_the_shift_of_the_picture() -> None:
    packets = [p for p in joined([100, 5]) if p.stream == PICTURE or p.true > 5]
    assert set(errors(shown(packets))) == {0}


WRONG: dict[str, Callable[[Fraction], Fraction | None]] = {
    "the same as the one before": lambda time: time - FRAME,
    "none": lambda time: None,
    "far ahead": lambda time: time + 8 * HOUR,
    "a little ahead": lambda time: time + Fraction(3, 10),
    "far back": lambda time: time - 8 * HOUR,
    "a little back": lambda time: time - Fraction(3, 10),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("streams", [1, 2])
def test_a_wrong_time_costs_the_one_frame(wrong: Callable[[Fraction], Fraction | None], streams: int) -> None:
    packets = [
        Packet(p.stream, p.true, wrong(p.true) if p.stream == PICTURE and round(p.true / FRAME) % 10 == 7 else p.true)
        for p in recording(0, 0, 8)
        if p.stream < streams
    ]
    times = pictures(packets, streams)
    assert len(times) == 200
    for packet, time in times:
        assert abs(time - packet.true) <= (FRAME if packet.said != packet.true else 0)
    assert all(later > earlier for (_, earlier), (_, later) in pairwise(times))


def test_two_times_that_are_swapped_cost_one_frame() -> None:
    times = [0, 40, 120, 80, 160, 200]
    frames = FrameTimes[int]()
    settled = [place for time in times for place in frames.put(time, time, 40)] + list(frames.end())
    assert [time for _, time in settled] in ([0, 40, 60, 80, 160, 200], [0, 40, 120, 140, 160, 200])


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([None, None, 20, None], [12, 16, 20, 24]),
        ([None, None, None], [0, 4, 8]),
        ([5, 5, 5, 5, 25], [5, 9, 13, 17, 25]),
        ([5, 5, 5, 5, 6], [5, 6, 7, 8, 9]),
        ([], []),
    ],
)
def test_frames_without_a_time_are_spread(times: list[int | None], expected: list[int]) -> None:
    frames = FrameTimes[int]()
    settled = [place for number, time in enumerate(times) for place in frames.put(number, time, 4)]
    settled += frames.end()
    assert [number for number, _ in settled] == list(range(len(times)))
    assert [time for _, time in settled] == expected


def test_frames_that_never_have_a_time_do_not_wait_for_one() -> None:
    frames = FrameTimes[int]()
    for number in range(100):
        settled = [time for _, time in frames.put(number, None, 4)]
        assert len(settled) == (number > 16) or number == 16
    assert settled == [396]


def test_frames_decoded_in_another_order_have_the_times_in_order() -> None:
    order = DecodingOrder()
    for time in range(5):
        order.sent(time)
    assert [order.shown(own, key=own == 0) for own in (0, 3, 2, 4, 1)] == [0, 1, 2, 3, 4]


def test_a_lost_packet_shifts_the_order_up_to_the_next_key_frame_alone() -> None:
    order = DecodingOrder()
    shown_at = []
    for own in range(20):
        order.sent(own)
        if own != 3:
            shown_at.append(order.shown(own, key=own % 10 == 0))
    assert shown_at == [0, 1, 2, *range(3, 9), *range(10, 20)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_the_clock_and_the_times_do_no_frame_is_more_than_one_off(seed: int) -> None:
    """Random recordings, one after the other, some with wrong times; picture, sound, or both in each."""
    random = Random(seed)
    packets: list[Packet] = []
    clocks = [Fraction(0), Fraction(-3), 8 * Fraction(HOUR), 25 * Fraction(HOUR), Fraction(2**33, 90000) - 6]
    parts = random.randint(1, 5)
    streams = random.choice([1, 2])
    for part in range(parts):
        clock = random.choice(clocks) + Fraction(random.randint(0, 40), 10)
        if part and random.random() < 0.3:  # as the 33 bits of MPEG do
            clock = Fraction(0)
        packets += [p for p in recording(6 * part, clock, 6) if p.stream < streams]
    spoilt = []
    since_wrong = 0
    for packet in packets:
        since_wrong += 1
        inside = 1 < packet.true % 6 < 5  # of a recording
        if inside and since_wrong > 12 and random.random() < 0.05:
            assert packet.said is not None
            said = random.choice(list(WRONG.values()))(packet.said)
            packet = Packet(packet.stream, packet.true, said)
            since_wrong = 0
        spoilt.append(packet)
    times = shown(spoilt, streams)
    right = {id(packet) for packet, original in zip(spoilt, packets, strict=True) if packet.said == original.said}
    frames = pictures(spoilt, streams)
    assert all(later > earlier for (_, earlier), (_, later) in pairwise(frames))
    assert max(map(abs, errors(frames))) <= FRAME * parts
    assert max(map(abs, sync_errors([entry for entry in times if id(entry[0]) in right])), default=0) <= FRAME
