"""Times always go on, and are left alone while they do."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from segdata.video.timeline import Timeline


@given(st.lists(st.integers(-1000, 1000), unique=True))
def test_times_that_increase_are_kept(times: list[int]) -> None:
    timeline = Timeline()
    assert [timeline.continued(time, 5) for time in sorted(times)] == sorted(times)


@given(st.lists(st.tuples(st.none() | st.integers(-1000, 1000), st.integers(0, 50))))
def test_whatever_comes_each_time_is_later_than_the_one_before(items: list[tuple[int | None, int]]) -> None:
    timeline = Timeline()
    shown = [timeline.continued(time, step) for time, step in items]
    assert all(later > earlier for earlier, later in pairwise(shown))


def test_a_recording_that_follows_another_is_shown_after_it() -> None:
    timeline = Timeline()
    recording = [100, 104, 108]
    assert [timeline.continued(time, 4) for time in recording * 2] == [100, 104, 108, 112, 116, 120]


def test_what_has_no_time_comes_one_step_later() -> None:
    timeline = Timeline()
    assert [timeline.continued(time, 4) for time in (None, None, 20, None)] == [0, 4, 20, 24]
