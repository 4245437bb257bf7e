"""The learning rate of each step, and how many epochs fit into a time."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from segtrain.schedule import WARM_UP_SHARE, epochs_in, learning_rate

Refused = Callable[..., AbstractContextManager[None]]

PEAK = 4e-3


@pytest.mark.parametrize("steps", [2, 3, 7, 10, 200, 5001])
def test_the_rate_rises_to_its_peak_at_the_end_of_the_warm_up_and_falls_from_there(steps: int) -> None:
    rates = [learning_rate(step, steps, PEAK) for step in range(steps)]
    assert min(rates) > 0
    assert max(rates) <= PEAK
    assert rates.count(max(rates)) == 1
    top = rates.index(max(rates))
    assert abs(top - WARM_UP_SHARE * steps) <= 1
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


@pytest.mark.parametrize("steps", [20, 200, 5001])
def test_the_peak_is_what_was_asked_for_and_the_end_next_to_nothing(steps: int) -> None:
    rates = [learning_rate(step, steps, PEAK) for step in range(steps)]
    assert max(rates) == pytest.approx(PEAK, rel=0.2 if steps == 20 else 0.02)
    assert rates[-1] < 0.01 * PEAK
    assert rates[0] < 0.2 * PEAK


def test_the_rate_is_in_proportion_to_the_peak() -> None:
    for step in range(50):
        assert learning_rate(step, 50, 1.0) == pytest.approx(1000 * learning_rate(step, 50, 1e-3))


@pytest.mark.parametrize(
    ("minutes", "besides", "per_epoch", "epochs"),
    [(10, 60, 30, 18), (1.5, 30, 60, 1), (2, 0, 0.7, 171), (1, 30.1, 10, 2)],
)
def test_as_many_epochs_as_fit_and_no_more(minutes: float, besides: float, per_epoch: float, epochs: int) -> None:
    assert epochs_in(minutes, besides, per_epoch) == epochs
    assert besides + epochs * per_epoch <= minutes * 60 < besides + (epochs + 1) * per_epoch


@pytest.mark.parametrize("besides", [30, 300])
def test_a_time_too_short_for_one_epoch_is_refused_with_the_time_it_takes(besides: float, refused: Refused) -> None:
    need = f"{(besides + 60) / 60:.1f}"
    with refused(f"got 1 minutes, need about {need} for one epoch here; raise --minutes"):
        epochs_in(1, besides, 60)
