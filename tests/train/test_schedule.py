"""The learning rate of each step, and how many epochs fit into a time."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from segtrain.learning.optimizer import WARM_UP_SHARE, learning_rate
from segtrain.learning.schedule import Clock, Stretch, next_stretch

Refused = Callable[..., AbstractContextManager[None]]

PEAK = 4e-3


def rates_of(steps: int) -> list[float]:
    return [learning_rate(Stretch(0, 1).at(step, steps), PEAK) for step in range(steps)]


@pytest.mark.parametrize("steps", [2, 3, 7, 10, 200, 5001])
def test_the_rate_rises_to_its_peak_at_the_end_of_the_warm_up_and_falls_from_there(steps: int) -> None:
    rates = rates_of(steps)
    assert min(rates) > 0
    assert max(rates) <= PEAK
    assert rates.count(max(rates)) == 1
    top = rates.index(max(rates))
    assert abs(top - WARM_UP_SHARE * steps) <= 1
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


@pytest.mark.parametrize("steps", [20, 200, 5001])
def test_the_peak_is_what_was_asked_for_and_the_end_next_to_nothing(steps: int) -> None:
    rates = rates_of(steps)
    assert max(rates) == pytest.approx(PEAK, rel=0.2 if steps == 20 else 0.02)
    assert rates[-1] < 0.01 * PEAK
    assert rates[0] < 0.2 * PEAK


def test_the_rate_is_in_proportion_to_the_peak() -> None:
    for position in (0.01, 0.15, 0.5, 0.99):
        assert learning_rate(position, 1.0) == pytest.approx(1000 * learning_rate(position, 1e-3))


def test_epochs_cover_the_schedule_in_equal_parts_without_a_gap() -> None:
    done, stretches = 0.0, []
    for left in range(7, 0, -1):
        stretches.append(next_stretch(done, left))
        done = stretches[-1].end
    assert done == 1
    assert [stretch.end for stretch in stretches[:-1]] == [stretch.begin for stretch in stretches[1:]]
    assert [stretch.end - stretch.begin for stretch in stretches] == pytest.approx([1 / 7] * 7)


def test_a_plan_that_changes_covers_what_is_left_of_the_schedule() -> None:
    assert next_stretch(0.4, 3).end == pytest.approx(0.6)
    assert next_stretch(0.4, 1) == Stretch(0.4, 1)


def clock(minutes: float | None, per_epoch: float, besides: float) -> Clock:
    made = Clock(minutes)
    made.per_epoch, made.besides = per_epoch, besides
    return made


@pytest.mark.parametrize(
    ("minutes", "besides", "per_epoch", "epochs"),
    [(10, 60, 29, 18), (1.5, 20, 60, 1), (200, 0, 71, 169), (100, 2000, 1500, 2)],
)
def test_as_many_epochs_as_fit_and_no_more(minutes: float, besides: float, per_epoch: float, epochs: int) -> None:
    assert clock(minutes, per_epoch, besides).epochs_left() == epochs


def test_a_step_that_ends_after_the_time_is_not_begun() -> None:
    made = clock(100, 60, 1000)
    assert not made.is_over(4900)
    assert made.is_over(5001)
    assert not Clock(None).is_over(1e9)


@pytest.mark.parametrize("besides", [30, 300])
def test_a_time_too_short_for_one_epoch_is_refused_with_the_time_it_takes(besides: float, refused: Refused) -> None:
    with refused(f"got 1 minutes, need about {(besides + 60) / 60:.1f} for one epoch here; raise --minutes"):
        clock(1, 60, besides).check()
