"""The worst frames: the very worst among them, and none near another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.quality.agreement import APART, WorstFrames
from segbench.results import WorstFrame


def worst(frames: list[WorstFrame], count: int) -> tuple[WorstFrame, ...]:
    found = WorstFrames(count)
    for frame in frames:
        found.add(frame)
    return found.chosen()


def at_rate(shares: list[float], rate: int) -> list[WorstFrame]:
    return [WorstFrame(index / rate, share) for index, share in enumerate(shares)]


def test_neighbours_of_a_bad_frame_are_left_out() -> None:
    shares = [0.9] * 100
    shares[40:44] = [0.5, 0.4, 0.3, 0.6]
    shares[80] = 0.7
    assert worst(at_rate(shares, 10), 2) == (WorstFrame(4.2, 0.3), WorstFrame(8.0, 0.7))


def test_a_second_apart_is_far_enough() -> None:
    frames = [WorstFrame(0.5, 0.1), WorstFrame(1.25, 0.2), WorstFrame(1.5, 0.3), WorstFrame(2.5, 0.4)]
    assert worst(frames, 3) == (WorstFrame(0.5, 0.1), WorstFrame(2.5, 0.4))
    assert worst([frames[0], frames[2]], 2) == (WorstFrame(0.5, 0.1), WorstFrame(1.5, 0.3))


def test_a_short_video_has_fewer() -> None:
    assert worst(at_rate([0.9, 0.8, 0.7], 10), 4) == (WorstFrame(0.2, 0.7),)


def test_of_equal_frames_the_first_is_taken() -> None:
    assert worst(at_rate([1.0] * 100, 10), 2) == (WorstFrame(0.0, 1.0), WorstFrame(1.0, 1.0))


def test_what_a_bad_frame_rules_out_does_not_take_the_place_of_another() -> None:
    """Each of three bad frames has two neighbours that are worse than the fourth frame to be chosen."""
    frames = [
        WorstFrame(start + seconds, share)
        for start in (0, 10, 20)
        for seconds, share in ((0.9, 0.2), (1.5, 0.1), (2.1, 0.2))
    ]
    found = worst([*frames, WorstFrame(40.0, 0.3), WorstFrame(50.0, 0.9)], 4)
    assert [frame.seconds for frame in found] == [1.5, 11.5, 21.5, 40.0]


def test_memory_does_not_grow() -> None:
    found = WorstFrames(4)
    for index in range(100_000):
        found.add(WorstFrame(index / 10, 1 - index / 100_000))
    assert len(found._of_second) == 12


@given(st.lists(st.integers(0, 12), min_size=1, max_size=120), st.sampled_from([1, 2, 3, 7]), st.integers(1, 4))
def test_they_are_those_that_all_frames_would_give(shares: list[int], rate: int, count: int) -> None:
    """Frames that are dropped early would not have been chosen."""
    frames = at_rate([share / 12 for share in shares], rate)
    found = worst(frames, count)
    of_second: dict[int, WorstFrame] = {}
    for frame in sorted(frames, key=lambda frame: (frame.equal_pixels, frame.seconds)):
        of_second.setdefault(int(frame.seconds), frame)
    expected: list[WorstFrame] = []
    for frame in of_second.values():
        if all(abs(frame.seconds - other.seconds) >= APART for other in expected):
            expected.append(frame)
    assert list(found) == expected[:count]
    assert found[0].equal_pixels == min(frame.equal_pixels for frame in frames)
    assert [frame.equal_pixels for frame in found] == sorted(frame.equal_pixels for frame in found)


def test_its_fields_are_checked() -> None:
    with pytest.raises(ValueError, match="validation error"):
        WorstFrame("soon", 0.5)  # type: ignore[arg-type]
