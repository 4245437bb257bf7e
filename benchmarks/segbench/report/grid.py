"""A table of text, before anyone decides how it looks, and how figures are written in one."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from segbench.results import Change, Rate

MISSING = "-"
"""What stands where nothing was measured."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Grid:
    """Headings and rows. The first `text_columns` are words, the others figures, which are aligned to the right."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int


def to_grid(
    title: str,
    items: Iterable[Item],
    words: dict[str, Callable[[Item], str]],
    figures: dict[str, Callable[[Item], str]],
) -> Grid:
    """Return a row for each item: what the functions, each under its heading, make of it."""
    columns = {**words, **figures}
    rows = tuple(tuple(printable(cell(item)) for cell in columns.values()) for item in items)
    return Grid(title, tuple(printable(heading) for heading in columns), rows, len(words))


def without_empty(grid: Grid) -> Grid:
    """Return the grid without the columns in which nothing was measured."""
    kept = [
        index
        for index in range(len(grid.headings))
        if index < grid.text_columns or any(row[index] != MISSING for row in grid.rows)
    ]
    rows = tuple(tuple(row[index] for index in kept) for row in grid.rows)
    return Grid(grid.title, tuple(grid.headings[index] for index in kept), rows, grid.text_columns)


def printable(text: str) -> str:
    """Return `text` in one line, with a question mark for what no terminal, XML or UTF-8 file may hold."""
    return "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))


def number(value: float | None) -> str:
    """Return three digits that count, at most three of them decimals: 1234, 123, 12.3, 1.23, 0.012."""
    if value is None or not math.isfinite(value):
        return MISSING
    decimals = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2 if abs(value) >= 0.0995 else 3
    return f"{value:.{decimals}f}"


def rate(value: Rate) -> str:
    """Return the middle round and half the spread of all: 153 ±3%. One round has no spread."""
    middle = number(value.median)
    return middle if middle == MISSING or len(value.rounds) < 2 else f"{middle} ±{100 * value.spread / 2:.0f}%"


def percent(fraction: float | None) -> str:
    """Return a fraction in percent, with two decimals."""
    return MISSING if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.2f}"


def signed(points: float) -> str:
    """Return a difference with its sign and two decimals; one that rounds to nothing has none."""
    return MISSING if not math.isfinite(points) else f"{points:+.2f}" if round(points, 2) else "0.00"


def interval(change: Change | None) -> str:
    """Return the 95 % interval of a change."""
    return MISSING if change is None else f"{signed(change.low)} to {signed(change.high)}"
