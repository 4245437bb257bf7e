"""What all plots of a page share: size, axes, markers and legends."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from segbench.report.svg import SERIES
from segbench.results import ArtefactResult
from segdata.spec import Precision
from segdata.text import printable

WIDTH = 4.6
"""Inches of 72 units: a phone shows the text at about its size, a wide column a little larger."""

TIMELINE_WIDTH = 2.4 * WIDTH
"""A plot with the whole width of a page; it scrolls on a phone."""

_MARKERS = {"fp32": ("o", 9.0), "fp16": ("s", 4.2), "int8": ("D", 3.8)}
_DASHES: dict[Precision, Literal["-", "--", ":"]] = {"fp32": "-", "fp16": "--", "int8": ":"}
_LONGEST = 24


def empty_figure(height: float, width: float = WIDTH) -> Figure:
    """Return a figure of this size in inches."""
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


def spanning(low: float, high: float, least: float) -> tuple[float, float]:
    """Return the limits of an axis, moved apart to `least` if they are closer, so that small differences look small."""
    missing = max(0.0, least - (high - low))
    return low - missing / 2, high + missing / 2


def by_colour(names: Iterable[str], series: Sequence[str] = SERIES) -> dict[str, str]:
    """Return a colour for each name, in order; after the last colour they repeat."""
    return {name: series[index % len(series)] for index, name in enumerate(dict.fromkeys(names))}


def dot(precision: str, colour: str) -> dict[str, Any]:
    """Return the marker style of a precision: fp32 is a wide ring, so that the others show inside it."""
    shape, size = _MARKERS[precision]
    face = "none" if precision == "fp32" else colour
    return {"marker": shape, "markersize": size, "color": colour, "markerfacecolor": face, "linestyle": ""}


def dashes(precision: Precision) -> Literal["-", "--", ":"]:
    """Return the dash pattern of a precision."""
    return _DASHES[precision]


def precision_legend(results: Sequence[ArtefactResult], colour: str) -> list[tuple[Line2D, str]]:
    """Return a marker and a name for each precision."""
    return [(Line2D([], [], **dot(name, colour)), name) for name in dict.fromkeys(one.precision for one in results)]


def legend(figure: Figure, *groups: Sequence[tuple[Line2D, str]]) -> None:
    """Add a legend below the plot: one group in rows of three, several groups in a column each."""
    longest = max(map(len, groups))
    blank = Line2D([], [], linestyle=""), ""
    entries = (
        [*groups[0]] if len(groups) == 1 else [one for own in groups for one in (*own, *[blank] * (longest - len(own)))]
    )
    # A blank before each: matplotlib before 3.10 leaves names out that begin with an underscore.
    shown = figure.legend(
        [line for line, _ in entries],
        [f" {short(name)}" for _, name in entries],
        loc="outside lower center",
        ncols=3 if len(groups) == 1 else len(groups),
    )
    for text in shown.get_texts():
        text.set_parse_math(False)


def short(name: str) -> str:
    """Return a name that fits beside a plot: its start and its end if it is long."""
    name = printable(name)
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST // 2 - 1]}…{name[-_LONGEST // 2 :]}"
