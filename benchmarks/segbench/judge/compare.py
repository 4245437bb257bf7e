"""Compares two reports: which artefacts are in both, and what changed."""

from collections import Counter
from dataclasses import dataclass

from segbench.judge.figure_changes import FigureChange, accuracy_changes, speed_changes
from segbench.judge.setting_changes import setting_changes
from segbench.results import ArtefactResult, BenchReport

_Key = tuple[str, str, str, int]


@dataclass(frozen=True)
class ArtefactChange:
    """One artefact in both reports; `same_file` is whether its hash is the same."""

    artefact: str
    precision: str
    runner: str
    same_file: bool
    figures: tuple[FigureChange, ...]


@dataclass(frozen=True)
class Comparison:
    """`settings` is what differs beside the artefacts, in sentences; `only` the artefacts in just one report."""

    settings: tuple[str, ...]
    artefacts: tuple[ArtefactChange, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]


def compare(before: BenchReport, after: BenchReport) -> Comparison:
    """Match artefacts by name, precision and runner, and say how each figure that both reports have changed."""
    old, new = _by_key(before), _by_key(after)
    return Comparison(
        settings=tuple(setting_changes(before, after)),
        artefacts=tuple(
            ArtefactChange(
                artefact=result.artefact,
                precision=result.precision,
                runner=result.runner,
                same_file=result.sha256 == new[key].sha256,
                figures=(
                    *speed_changes(result, new[key], same_video=before.video == after.video),
                    *accuracy_changes(before, after, result, new[key]),
                ),
            )
            for key, result in old.items()
            if key in new
        ),
        only_before=tuple(_named(key) for key in old if key not in new),
        only_after=tuple(_named(key) for key in new if key not in old),
    )


def _by_key(report: BenchReport) -> dict[_Key, ArtefactResult]:
    seen: Counter[tuple[str, str, str]] = Counter()
    found: dict[_Key, ArtefactResult] = {}
    for result in report.results:
        key = (result.artefact, result.precision, result.runner)
        # Two folders may hold files of the same name: they are matched in order.
        found[(*key, seen[key])] = result
        seen[key] += 1
    return found


def _named(key: _Key) -> str:
    return f"{key[0]} ({key[1]}, {key[2]})"
