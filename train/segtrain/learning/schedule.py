"""Which part of the training each epoch is, and how many epochs fit into a given time."""

import math
from dataclasses import dataclass
from time import perf_counter

from segdata.errors import InputError


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
