"""A report as Markdown, with the context of its figures."""

import re
from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len

from segbench.facts import machine_facts, measured_on, missing_target, notes
from segbench.report.grid import Grid
from segbench.report.tables import agreement, class_table, provenance, stages, tables
from segbench.results import BenchReport
from segdata.files import replacing
from segdata.text import printable


def to_markdown(report: BenchReport) -> str:
    """Return the whole report."""
    recommended = report.verdict.recommended
    parts = [
        f"# Benchmark: {escaped(measured_on(report))}",
        *([f"**Recommended: {escaped(recommended)}**"] if recommended else []),
        *map(escaped, report.verdict.sentences),
        *(part for grid in [*tables(report), *agreement(report)] for part in titled(grid)),
        bullets(notes(report)),
    ]
    if line := missing_target(report):
        parts += ["## GTX 1660 Ti", line]
    if report.warnings:
        parts += ["## Warnings", bullets(report.warnings)]
    parts += titled(stages(report))
    if any(result.accuracy for result in report.results):
        parts += titled(class_table(report))
    facts = Grid("Machine", ("fact", "value"), tuple(machine_facts(report)), 2)
    parts += [*titled(facts), *titled(provenance(report))]
    return "\n\n".join(parts) + "\n"


def write_markdown(report: BenchReport, path: Path) -> None:
    """Write the whole report."""
    with replacing(path) as temporary:
        temporary.write_text(to_markdown(report), encoding="utf-8")


def titled(grid: Grid) -> list[str]:
    """Return a heading and the table under it."""
    return [f"## {escaped(grid.title)}", markdown_table(grid)]


def markdown_table(grid: Grid, escape: bool = True) -> str:
    """Return a table whose columns line up in the source, too; `escape` False takes cells for Markdown."""
    lines = [tuple(map(escaped, line)) if escape else line for line in (grid.headings, *grid.rows)]
    widths = [max(3, *map(cell_len, column)) for column in zip(*lines, strict=True)]
    rule = tuple(
        "-" * width if index < grid.text_columns else "-" * (width - 1) + ":" for index, width in enumerate(widths)
    )
    return "\n".join(_row(line, widths, grid.text_columns) for line in (lines[0], rule, *lines[1:]))


def bullets(lines: Sequence[str]) -> str:
    """Return a list, a line each."""
    return "\n".join(f"- {escaped(line)}" for line in lines)


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is; an underscore within a word is not markup and stays."""
    return re.sub(r"([\\`*\[\]<>|&#~$@])|(?<![^\W_])_|_(?![^\W_])", lambda found: f"\\{found[0]}", printable(text))


def _row(cells: tuple[str, ...], widths: list[int], text_columns: int) -> str:
    padded = []
    for index, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        blank = " " * (width - cell_len(cell))
        padded.append(cell + blank if index < text_columns else blank + cell)
    return f"| {' | '.join(padded)} |"
