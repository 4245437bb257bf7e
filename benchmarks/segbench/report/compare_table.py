"""A comparison in a terminal and as Markdown."""

from pathlib import Path

from rich.console import Console

from segbench.figures import MISSING, number, signed
from segbench.judge.compare import ArtefactChange, Comparison
from segbench.judge.figure_changes import FigureChange
from segbench.report.grid import Grid, to_grid
from segbench.report.markdown import bullets, titled
from segbench.report.terminal import as_table, print_line
from segdata.files import replacing
from segdata.text import printable

_RULE = (
    "Speeds differ (better, worse) when no round of one report lies among those of the other and the medians lie "
    "further apart than the larger half-spread; of 126 pairs of equal runs of 5 rounds, 1 would. "
    "Latencies: the same, with fifths of a run for rounds. All else is noise, or was measured too seldom to say. "
    "Rounds share the state their machine was in: repeat what has to be sure."
)
_ACCURACY_RULE = (
    "Accuracy: the same file, machine and libraries must give the same. Otherwise it differs beyond these images only "
    "if the 95 % intervals of both changes against the same reference do not overlap."
)


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print what differs beside the artefacts, a table for each artefact, and by what rule they differ."""
    for line in comparison.settings:
        print_line(console, line, style="bold")
    for change in comparison.artefacts:
        console.print()
        console.print(as_table(comparison_grid(change)))
    console.print()
    for line in _remarks(comparison):
        print_line(console, line)


def comparison_markdown(comparison: Comparison) -> str:
    """Return the same as Markdown."""
    parts = ["# Before and after"]
    if comparison.settings:
        parts.append(bullets(comparison.settings))
    parts += [part for change in comparison.artefacts for part in titled(comparison_grid(change))]
    return "\n\n".join([*parts, bullets(_remarks(comparison))]) + "\n"


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write the Markdown."""
    with replacing(path) as temporary:
        temporary.write_text(comparison_markdown(comparison), encoding="utf-8")


def comparison_grid(change: ArtefactChange) -> Grid:
    """Return a row for each figure."""
    file = "the same file" if change.same_file else "another file"
    title = printable(f"{change.artefact}, {change.precision}, {change.runner}: {file}")
    return to_grid(
        title,
        change.figures,
        {"figure": lambda figure: figure.name},
        {
            "before": lambda figure: _value(figure, figure.before),
            "after": lambda figure: _value(figure, figure.after),
            "change": _change,
            "finding": lambda figure: figure.finding,
        },
    )


def _value(figure: FigureChange, value: float) -> str:
    if not _is_accuracy(figure):
        return number(value)
    # Figures that must be equal may differ by less than two decimals show.
    return repr(value) if figure.finding == "must be equal" else f"{value:.2f}"


def _change(figure: FigureChange) -> str:
    if _is_accuracy(figure):
        return f"{signed(figure.after - figure.before)} points"
    return MISSING if figure.percent is None else f"{figure.percent:+.1f} %"


def _is_accuracy(figure: FigureChange) -> bool:
    return figure.name.startswith(("mIoU", "pixel"))


def _remarks(comparison: Comparison) -> list[str]:
    lines = [f"Only before: {name}." for name in comparison.only_before]
    lines += [f"Only after: {name}." for name in comparison.only_after]
    if not comparison.artefacts:
        return [*lines, "No artefact is in both reports under the same name, precision and runner."]
    return [*lines, _RULE, _ACCURACY_RULE]
