"""A report in a terminal, and its JSON file."""

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from segbench.facts import machine_facts, measured_on, missing_target, notes
from segbench.report.grid import Grid
from segbench.report.tables import agreement, merged, tables
from segbench.results import BenchReport
from segdata.files import replacing
from segdata.text import printable


def print_report(report: BenchReport, console: Console) -> None:
    """Print the figures, in one table if the terminal is wide enough for it, else in several; then all findings.

    Tables line up from 80 columns on; long names of artefacts wrap.
    """
    print_line(console, measured_on(report), style="bold")
    grids = tables(report)
    wide = as_table(merged(grids))
    fits = console.measure(wide).maximum < console.width
    for table in [*([wide] if fits else map(as_table, grids)), *map(as_table, agreement(report))]:
        console.print()
        console.print(table)
    for title, lines in (
        ("How to read it", notes(report)),
        ("Machine", ["; ".join(f"{name} {fact}" for name, fact in machine_facts(report))]),
        ("Warnings", report.warnings),
        ("Verdict", report.verdict.sentences),
    ):
        if lines:
            console.print()
            print_line(console, title, style="bold")
        for line in lines:
            print_line(console, line)
    if missing := missing_target(report):
        console.print()
        print_line(console, missing)


def as_table(grid: Grid) -> Table:
    """Return a grid as a table; its text is never taken for markup."""
    table = Table(
        title=Text(grid.title) if grid.title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for index, heading in enumerate(grid.headings):
        # If it is too narrow, rich wraps the widest column, the artefact's name, and cuts nothing off.
        words = Text(heading.replace(" ", "\n") if index else heading)
        table.add_column(
            words,
            justify="left" if index < grid.text_columns else "right",
            overflow="fold",
            vertical="bottom",
        )
    for row in grid.rows:
        table.add_row(*map(Text, row))
    return table


def print_line(console: Console, text: str, style: str = "") -> None:
    """Print text from a file: never taken for markup, nor coloured by its content."""
    console.print(Text(printable(text), style=style))


def write_json(report: BenchReport, path: Path) -> None:
    """Write everything that was measured."""
    with replacing(path) as temporary:
        temporary.write_text(report.to_json(), encoding="utf-8")
