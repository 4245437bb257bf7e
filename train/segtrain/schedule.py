"""How fast the network learns at each step, and how many epochs fit into a time."""

import math

from segdata.errors import InputError

WARM_UP_SHARE = 0.15  # of all steps
LOWEST_SHARE = 1e-3  # of the peak, where the schedule begins and ends


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Return the learning rate of step number `step`, from 0, of `steps`: one cycle (Smith 2018, arXiv 1803.09820).

    A straight way up over the first `WARM_UP_SHARE`, then half a cosine down. A function of the step alone, so that a
    resumed training goes on where it was.
    """
    position = (step + 0.5) / steps
    if position < WARM_UP_SHARE:
        share = position / WARM_UP_SHARE
    else:
        share = 0.5 * (1 + math.cos(math.pi * (position - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)))
    return peak * max(share, LOWEST_SHARE)


def epochs_in(minutes: float, seconds_besides: float, seconds_per_epoch: float) -> int:
    """Return how many epochs fit beside what else is to be done; raise InputError if not even one does."""
    epochs = int((minutes * 60 - seconds_besides) / seconds_per_epoch)
    if epochs < 1:
        raise InputError(
            f"got {minutes:g} minutes, need about {(seconds_besides + seconds_per_epoch) / 60:.1f} for one epoch here; "
            "raise --minutes, or take a smaller --arch or dataset"
        )
    return epochs
