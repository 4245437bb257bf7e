"""A table of text, independent of its output format."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from segbench.figures import MISSING
from segdata.text import printable

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
    """Return a row for each item: the results of the functions, each under its heading."""
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
