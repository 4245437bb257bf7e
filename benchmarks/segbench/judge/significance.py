"""Decides whether two measurements of a speed differ by more than noise.

They differ when no round of one lies among the rounds of the other, the medians lie further apart than the larger
half-spread, and so clean a parting would come by chance at most once in twenty. It is the exact test of Mann and
Whitney at its most extreme outcome: of the C(10, 5) = 252 equally likely orders of 5 + 5 rounds of the same thing, 2
part them, 0.8 %. That is strict on purpose, since a comparison asks it of many figures at once; with fewer than 4 + 4
rounds (or 3 + 5, 2 + 8) no outcome can meet it. Rounds of one run share the machine's state of that hour, which no test
of them can see.

Frames that follow each other are no independent samples of a latency, so the fifths of a run stand for its rounds.
"""

import statistics
from collections.abc import Sequence
from math import comb
from typing import Literal

import numpy as np

from segbench.results import Latency

SpeedFinding = Literal["better", "worse", "equal", "noise", "too few rounds"]

CHANCE = 0.05
_BLOCKS = 5


def judge(before: Sequence[float], after: Sequence[float], more_is_better: bool) -> SpeedFinding:
    """Return whether two lists of rounds differ, by the rule above, and if so to the better."""
    if sorted(before) == sorted(after):
        return "equal"
    if 2 / comb(len(before) + len(after), len(before)) > CHANCE:
        return "too few rounds"
    higher, lower = min(after) > max(before), max(after) < min(before)
    half_spread = max(max(before) - min(before), max(after) - min(after)) / 2
    if not (higher or lower) or abs(statistics.median(after) - statistics.median(before)) <= half_spread:
        return "noise"
    return "better" if higher == more_is_better else "worse"


def blocks(latency: Latency, share: float) -> list[float]:
    """Return the percentile of each fifth of the frames, in milliseconds."""
    parts = np.array_split(latency.milliseconds, min(_BLOCKS, len(latency.milliseconds)))
    return [float(np.percentile(part, share)) for part in parts]
