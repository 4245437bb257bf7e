"""Compares each figure of an artefact before and after, and decides whether it differs.

Accuracy is counted on given images and has no noise of its own. Whether two artefacts differ on other images too is
only said when the 95 % intervals of their changes, both against the same reference on the same images, do not overlap.

Two measurements of a speed differ when no round of one lies among the rounds of the other, the medians lie further
apart than the larger half-spread, and such a clean separation would happen by chance at most once in twenty. It is the
exact test of Mann and Whitney at its most extreme outcome: of the C(10, 5) = 252 equally likely orders of 5 + 5 rounds
of the same thing, 2 separate them, 0.8 %. That is strict on purpose, since a comparison tests many figures at once;
with fewer than 4 + 4 rounds (or 3 + 5, 2 + 8) no outcome can pass. Rounds of one run share the machine's state of that
hour, which no test of them can detect. Consecutive frames are not independent samples of a latency, so the fifths of a
run are used as its rounds.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np

from segbench.judge.setting_changes import same_machine
from segbench.results import AccuracyResult, ArtefactResult, BenchReport, Change, Latency

SpeedFinding = Literal["better", "worse", "equal", "noise", "too few rounds"]
Finding = SpeedFinding | Literal["one figure", "on these images", "must be equal"]

CHANCE = 0.05
_BLOCKS = 5


@dataclass(frozen=True)
class FigureChange:
    """One figure before and after, in the unit that its name says, accuracies in percent.

    `finding` says "better", "worse", "equal", or why neither can be said: "noise", "too few rounds", "one figure" (it
    was measured once), "on these images" (it differs there, perhaps not on others), "must be equal" (it differs though
    file, machine and libraries are the same: something is wrong).
    """

    name: str
    before: float
    after: float
    finding: Finding

    @property
    def percent(self) -> float | None:
        """The change in percent of the earlier value, None if that was zero."""
        return 100 * (self.after - self.before) / self.before if self.before else None


def speed_changes(old: ArtefactResult, new: ArtefactResult, same_video: bool) -> Iterator[FigureChange]:
    """Yield rates, latencies, memory and energy; end-to-end figures only if they are of the same video."""
    rates = {"engine": (old.engine, new.engine)}
    latencies = {"engine": (old.latency, new.latency)}
    if same_video:
        rates["end-to-end"] = (old.end_to_end, new.end_to_end)
        latencies["end-to-end"] = (old.end_to_end_latency, new.end_to_end_latency)
    for name, (rate, rate_after) in rates.items():
        finding = judge(rate.rounds, rate_after.rounds, more_is_better=True)
        yield FigureChange(f"{name} FPS", rate.median, rate_after.median, finding)
    for name, (latency, latency_after) in latencies.items():
        for share in (50, 99):
            finding = judge(blocks(latency, share), blocks(latency_after, share), more_is_better=False)
            times = latency.percentile(share), latency_after.percentile(share)
            yield FigureChange(f"{name} p{share} ms", *times, finding)
    for name, before, after in (
        ("memory MB", old.memory_mb, new.memory_mb),
        ("GPU MB", old.gpu_memory_mb, new.gpu_memory_mb),
        ("mJ/frame", _millijoules(old), _millijoules(new)),
    ):
        if before is not None and after is not None:
            yield FigureChange(name, before, after, "equal" if before == after else "one figure")


def judge(before: Sequence[float], after: Sequence[float], more_is_better: bool) -> SpeedFinding:
    """Return whether two lists of rounds differ, by the rule above, and if so which is better."""
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


def accuracy_changes(
    before: BenchReport, after: BenchReport, old: ArtefactResult, new: ArtefactResult
) -> Iterator[FigureChange]:
    """Yield mIoU and pixel accuracy if both were measured on the same dataset over the same number of classes."""
    if not (old.accuracy and new.accuracy) or before.dataset != after.dataset or old.class_count != new.class_count:
        return
    repeated = old.sha256 == new.sha256 and old.computes == new.computes and same_machine(before, after)
    sure = _intervals_apart(_change(before, old.accuracy), _change(after, new.accuracy))
    figures = {
        "mIoU 19": (old.accuracy.miou_official, new.accuracy.miou_official),
        f"mIoU {old.class_count}": (old.accuracy.miou, new.accuracy.miou),
        "pixel accuracy": (old.accuracy.pixel_accuracy, new.accuracy.pixel_accuracy),
    }
    for name, (first, second) in figures.items():
        if first is None or second is None:
            continue
        finding: Finding = "on these images"
        if first == second:
            finding = "equal"
        elif repeated:
            finding = "must be equal"
        elif name == sure:
            finding = "better" if second > first else "worse"
        yield FigureChange(name, 100 * first, 100 * second, finding)


def _millijoules(result: ArtefactResult) -> float | None:
    return 1000 * result.energy.joules if result.energy else None


def _change(report: BenchReport, accuracy: AccuracyResult) -> tuple[Change, str] | None:
    """Return the change of an artefact with the hash of its reference, None if either is unknown."""
    change = accuracy.change
    hashes = {result.sha256 for result in report.results if change and result.artefact == change.reference}
    return (change, hashes.pop()) if change and len(hashes) == 1 else None


def _intervals_apart(old: tuple[Change, str] | None, new: tuple[Change, str] | None) -> str | None:
    """Return the name of the mIoU whose intervals do not overlap, None if they do or cannot be compared."""
    if not (old and new) or (old[1], old[0].classes) != (new[1], new[0].classes):
        return None
    apart = old[0].high < new[0].low or new[0].high < old[0].low
    return f"mIoU {old[0].classes}" if apart else None
