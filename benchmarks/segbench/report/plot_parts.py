"""What all plots of a page share: size, axes, markers and legends."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from segbench.report.svg import INK, SERIES
from segbench.results import ArtefactResult
from segdata.text import printable

WIDTH = 4.6
"""Inches of 72 units: a phone shows the text at about its size, a wide column a little larger."""

TIMELINE_WIDTH = 2.4 * WIDTH
"""It has the whole width of a page; on a phone it is moved sideways."""

_MARKERS = {"fp32": ("o", 8.0), "fp16": ("s", 5.0), "int8": ("D", 4.5)}
_LONGEST = 20


def empty_figure(height: float, width: float = WIDTH) -> Figure:
    """Return a figure of so many inches."""
    return Figure(figsize=(width, height), layout="constrained")


def axes_of(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes."""
    figure = empty_figure(height, width)
    return figure, figure.subplots()


def is_wide(smallest: float, largest: float) -> bool:
    """Return whether values lie so far apart that only a logarithmic axis shows the small ones."""
    return 0 < 5 * smallest < largest


def logarithmic(axes: Axes) -> None:
    """Make the x axis logarithmic, with ticks at 1, 2 and 5 of each ten, written out."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def by_colour(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each name, in the order of their coming; from the ninth on they repeat."""
    return {name: SERIES[index % len(SERIES)] for index, name in enumerate(dict.fromkeys(names))}


def dot(precision: str, colour: str) -> dict[str, Any]:
    """Return how the marker of a precision looks: fp32 is a wide ring, so that the others show within it."""
    shape, size = _MARKERS[precision]
    face = "none" if precision == "fp32" else colour
    return {"marker": shape, "markersize": size, "color": colour, "markerfacecolor": face, "linestyle": ""}


def precision_legend(results: Sequence[ArtefactResult], colours: Mapping[str, str]) -> tuple[list[Line2D], list[str]]:
    """Return a marker and a name for each precision; one without a colour of its own is in the colour of text."""
    names = list(dict.fromkeys(result.precision for result in results))
    return [Line2D([], [], **dot(name, colours.get(name, INK))) for name in names], [*names]


def legend(figure: Figure, handles: Sequence[Line2D], names: Sequence[str]) -> None:
    """Put a legend under the plot."""
    # A blank before each: matplotlib before 3.10 leaves names out that begin with an underscore.
    shown = figure.legend(handles, [f" {short(name)}" for name in names], loc="outside lower center", ncols=3)
    for text in shown.get_texts():
        text.set_parse_math(False)


def short(name: str) -> str:
    """Return a name that fits beside a plot: its start and its end if it is long."""
    name = printable(name)
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST // 2 - 1]}…{name[-_LONGEST // 2 :]}"
