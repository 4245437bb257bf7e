"""The learning rate at each step, and how many epochs fit into a given time."""

import math
from dataclasses import dataclass
from time import perf_counter

from segdata.errors import InputError

WARM_UP_SHARE = 0.15  # of all steps
LOWEST_SHARE = 1e-3  # of the peak, where the schedule begins and ends


@dataclass(frozen=True)
class Stretch:
    """The part of the schedule that one epoch covers: shares of the whole, 0 to 1."""

    begin: float
    end: float

    def at(self, step: int, steps: int) -> float:
        """Return the share at the middle of step number `step`, from 0, of the epoch's `steps`."""
        return self.begin + (self.end - self.begin) * (step + 0.5) / steps


def next_stretch(done: float, epochs_left: int) -> Stretch:
    """Return what the next epoch covers when the share `done` is behind it and so many epochs are left."""
    return Stretch(done, 1.0 if epochs_left == 1 else done + (1 - done) / epochs_left)


def learning_rate(position: float, peak: float) -> float:
    """Return the learning rate at a share of the training, 0 to 1: one cycle (Smith 2018, arXiv 1803.09820).

    Linear warm-up over the first `WARM_UP_SHARE`, then half a cosine down. It depends on the position alone, so a
    resumed run continues where it stopped.
    """
    if position < WARM_UP_SHARE:
        share = position / WARM_UP_SHARE
    else:
        share = 0.5 * (1 + math.cos(math.pi * (position - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)))
    return peak * max(share, LOWEST_SHARE)


class Clock:
    """Fits epochs into a time that starts when the clock is made; without a time it never runs out.

    `per_epoch` and `besides` are seconds: of an epoch, measured again after each, and of the work after the last.
    """

    def __init__(self, minutes: float | None) -> None:
        self.minutes = minutes
        self.end = math.inf if minutes is None else perf_counter() + minutes * 60
        self.per_epoch = self.besides = 0.0

    def epochs_left(self) -> int:
        """Return how many more epochs fit."""
        return int((self.end - self.besides - perf_counter()) / self.per_epoch)

    def is_over(self, next_step: float) -> bool:
        """Return whether a step of so many seconds no longer fits."""
        return perf_counter() + next_step + self.besides > self.end

    def check(self) -> None:
        """Raise InputError if not even one epoch fits."""
        if self.epochs_left() < 1:
            assert self.minutes is not None
            need = self.minutes + (self.per_epoch - (self.end - self.besides - perf_counter())) / 60
            raise InputError(
                f"got {self.minutes:g} minutes, need about {need:.1f} for one epoch here; "
                "raise --minutes, or take a smaller --arch or dataset"
            )
