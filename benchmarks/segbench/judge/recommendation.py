"""Recommends an artefact: speed is end to end, accuracy in points of mIoU (hundredths)."""

from collections.abc import Sequence
from dataclasses import dataclass

from segbench.results import ArtefactResult


@dataclass(frozen=True)
class Demands:
    """Demands on the recommended artefact; None asks for nothing.

    `max_drop` is how many points of mIoU it may lose against its fp32 reference, `min_miou` the mIoU it must have, 0 to
    100, `target_fps` its frames a second end to end.
    """

    max_drop: float | None = None
    target_fps: float | None = None
    min_miou: float | None = None


def recommend(results: Sequence[ArtefactResult], demands: Demands) -> tuple[str | None, list[str]]:
    """Return the name of the artefact to take, None if none meets what was asked, and why, in sentences.

    It is the fastest of those that meet the demands; with `target_fps`, the most accurate of them. A drop is taken at
    its point estimate. There must be one or more `results`.
    """
    if all(result.accuracy is None for result in results):
        return _by_speed_alone(results, demands)
    missed = {id(result): _missed(result, results, demands) for result in results}
    fitting = [result for result in results if not missed[id(result)]]
    if not fitting:
        nearest = min(results, key=lambda each: _distance(missed[id(each)]))
        return None, [f"none meets what was asked; nearest is {nearest.artefact}: {_told(missed[id(nearest)])}"]
    if demands.target_fps is not None and any(miou_points(result) is not None for result in fitting):
        chosen = max(fitting, key=lambda each: (_miou_or_less(each), each.end_to_end.median))
        reason = f"the most accurate of those that reach {demands.target_fps:g} FPS"
    else:
        chosen = max(fitting, key=lambda each: each.end_to_end.median)
        reason = "the fastest" + (" of those that meet what was asked" if len(fitting) < len(results) else "")
    return chosen.artefact, [
        f"take {chosen.artefact}, {reason}: {_figures(chosen)}",
        *_ties(chosen, fitting),
        *_warnings(chosen, demands),
    ]


def miou_points(result: ArtefactResult) -> float | None:
    """Return the mIoU, 0 to 100, over the 19 official classes, or over all where there are none of those."""
    accuracy = result.accuracy
    if accuracy is None:
        return None
    miou = accuracy.miou if accuracy.miou_official is None else accuracy.miou_official
    return None if miou is None else 100 * miou


@dataclass(frozen=True)
class _Miss:
    """A demand that is not met, in words, and how far from it the figure is, as a share of the larger of both."""

    words: str
    distance: float


def _by_speed_alone(results: Sequence[ArtefactResult], demands: Demands) -> tuple[str | None, list[str]]:
    fastest = max(results, key=lambda each: each.end_to_end.median)
    unmeasured = "accuracy was not measured: give --data DATASET"
    missed = _missed_speed(fastest, demands)
    if missed:
        return None, [f"none meets what was asked; nearest is {fastest.artefact}: {_told(missed)}", unmeasured]
    return fastest.artefact, [
        f"take {fastest.artefact}, the fastest: {_figures(fastest)}",
        *_ties(fastest, results),
        unmeasured,
    ]


def _missed(result: ArtefactResult, results: Sequence[ArtefactResult], demands: Demands) -> list[_Miss]:
    missed = _missed_speed(result, demands)
    miou, drop = miou_points(result), _drop(result, results)
    if demands.min_miou is not None and miou is None:
        missed.append(_Miss("its mIoU was not measured", 1))
    elif demands.min_miou is not None and miou is not None and miou < demands.min_miou:
        missed.append(_Miss(f"its mIoU is {miou:.2f}, not {demands.min_miou:g}", _apart(miou, demands.min_miou)))
    if demands.max_drop is not None and drop is None:
        missed.append(_Miss("its drop was not measured without its fp32 reference", 1))
    elif demands.max_drop is not None and drop is not None and drop > demands.max_drop:
        words = f"it loses {drop:.2f} points of mIoU, more than {demands.max_drop:g}"
        missed.append(_Miss(words, _apart(drop, demands.max_drop)))
    return missed


def _missed_speed(result: ArtefactResult, demands: Demands) -> list[_Miss]:
    target, found = demands.target_fps, result.end_to_end.median
    if target is None or found >= target:
        return []
    return [_Miss(f"it reaches {found:.1f} FPS, not {target:g}", _apart(found, target))]


def _drop(result: ArtefactResult, results: Sequence[ArtefactResult]) -> float | None:
    """Points lost against the reference; 0 for a reference itself, None if there is nothing to compare with."""
    if result.accuracy is None:
        return None
    if result.accuracy.change is not None:
        return -result.accuracy.change.points
    references = {each.accuracy.change.reference for each in results if each.accuracy and each.accuracy.change}
    return 0.0 if result.artefact in references or result.precision == "fp32" else None


def _apart(found: float, asked: float) -> float:
    return abs(found - asked) / max(abs(found), abs(asked))


def _distance(missed: list[_Miss]) -> tuple[int, float]:
    return len(missed), sum(miss.distance for miss in missed)


def _told(missed: list[_Miss]) -> str:
    return ", and ".join(miss.words for miss in missed)


def _miou_or_less(result: ArtefactResult) -> float:
    miou = miou_points(result)
    return -1.0 if miou is None else miou


def _figures(result: ArtefactResult) -> str:
    miou = miou_points(result)
    accuracy = "" if miou is None else f", mIoU {miou:.2f}"
    return f"{result.end_to_end.median:.1f} FPS end to end{accuracy}"


def _ties(chosen: ArtefactResult, fitting: Sequence[ArtefactResult]) -> list[str]:
    """The artefacts as fast as the chosen one: rounds of one lie among those of the other."""
    equals = [each.artefact for each in fitting if each is not chosen and each.end_to_end.overlaps(chosen.end_to_end)]
    return [f"as fast within the spread of the rounds: {', '.join(equals)}"] if equals else []


def _warnings(chosen: ArtefactResult, demands: Demands) -> list[str]:
    change = chosen.accuracy.change if chosen.accuracy else None
    if demands.max_drop is None or change is None or -change.low <= demands.max_drop:
        return []
    return [
        f"the loss of {chosen.artefact} may be more than {demands.max_drop:g} points: its 95 % interval reaches "
        f"{-change.low:.2f}; more images narrow it"
    ]
