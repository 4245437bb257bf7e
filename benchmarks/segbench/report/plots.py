"""The plots of a report's page, as figures in the page's colours (segbench.report.svg)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from segbench.report.plot_parts import (
    TIMELINE_WIDTH,
    axes_of,
    dashes,
    dot,
    empty_figure,
    is_wide,
    legend,
    logarithmic,
    precision_legend,
    short,
    spanning,
)
from segbench.report.svg import FAINT, GROUND, INK
from segbench.report.tables import family
from segbench.results import AccuracyResult, ArtefactResult, Latency, Rate

TIMELINE_FRAMES = 40
LEAST_POINTS = 2.0
"""The least span of a plot of mIoU, in points: otherwise a difference of 0.03 would fill it."""

LEAST_SHARE = 0.25
"""The least span of an axis of speed or time, as a fraction of its middle, for the same reason."""

Colours = Mapping[str, str]

_PERCENTILES: dict[int, Literal["-", "--", ":"]] = {50: "-", 90: "--", 99: ":"}


def plot_accuracy_against_rate(
    results: Sequence[ArtefactResult], rate_of: Callable[[ArtefactResult], Rate], families: Colours
) -> Figure:
    """Draw mIoU over frames a second, a colour a model and a marker a precision; a bar spans the rounds."""
    figure, axes = axes_of(3.5)
    for result in results:
        score = miou(result.accuracy)
        if score is None:
            continue
        rounds, colour = rate_of(result).rounds, families[family(result)]
        axes.plot([min(rounds), max(rounds)], [100 * score] * 2, color=colour, linewidth=1.5)
        axes.plot(rate_of(result).median, 100 * score, **dot(result.precision, colour))
    axes.set(xlabel="frames a second", ylabel="mIoU, percent")
    axes.margins(0.08)
    axes.set_ylim(spanning(*axes.get_ylim(), LEAST_POINTS))
    rates = [rate for result in results for rate in rate_of(result).rounds]
    if is_wide(min(rates), max(rates)):
        logarithmic(axes)
    else:
        axes.set_xlim(spanning(*axes.get_xlim(), LEAST_SHARE * max(rates)))
    shown = dict.fromkeys(family(result) for result in results)
    models = [(Line2D([], [], color=families[name], linewidth=3), name) for name in shown]
    legend(figure, models, precision_legend(results, INK))
    return figure


def plot_latencies(
    results: Sequence[ArtefactResult], latency_of: Callable[[ArtefactResult], Latency], families: Colours
) -> Figure:
    """Draw how the times of single frames are spread, a row an artefact, with p50, p90 and p99 marked."""
    figure = empty_figure(0.42 * len(results) + 0.8)
    rows = figure.subplots(len(results), 1, sharex=True, squeeze=False)[:, 0]
    times = np.concatenate([latency_of(result).milliseconds for result in results])
    low, high = times.min() * 0.98, times.max() * 1.02
    wide = is_wide(times.min(), times.max())
    bins = np.geomspace(low, high, 61) if wide else np.linspace(*spanning(low, high, LEAST_SHARE * high), 61)
    for axes, result in zip(rows, results, strict=True):
        latency = latency_of(result)
        axes.hist(latency.milliseconds, bins, color=families[family(result)], alpha=0.75)
        for share, pattern in _PERCENTILES.items():
            axes.axvline(latency.percentile(share), color=INK, linewidth=1, linestyle=pattern)
        axes.set_yticks([])
        axes.grid(axis="y", visible=False)
        axes.set_ylabel(short(result.artefact), rotation=0, ha="right", va="center", fontsize=8, parse_math=False)
        axes.spines["left"].set_visible(False)
    if wide:
        logarithmic(rows[-1])
    rows[-1].set_xlabel("milliseconds")
    legend(
        figure,
        [
            (Line2D([], [], color=INK, linewidth=1, linestyle=pattern), f"p{share}")
            for share, pattern in _PERCENTILES.items()
        ],
    )
    return figure


def plot_class_iou(results: Sequence[ArtefactResult], colour: str) -> Figure:
    """Draw the IoU of each class, a marker a precision; a class that does not occur has none."""
    names = list(dict.fromkeys(name for result in results if result.accuracy for name in result.accuracy.class_iou))
    figure, axes = axes_of(0.19 * len(names) + 0.9)
    for result in results:
        by_class = result.accuracy.class_iou if result.accuracy else {}
        known = [(100 * iou, names.index(name)) for name, iou in by_class.items() if iou is not None]
        places = [place for _, place in known]
        axes.plot([percent for percent, _ in known], places, **dot(result.precision, colour))
    axes.set_yticks(range(len(names)), [short(name) for name in names], parse_math=False, fontsize=8)
    axes.set(xlim=(-2, 102), ylim=(len(names) - 0.4, -0.6), xlabel="IoU, percent")
    legend(figure, precision_legend(results, colour))
    return figure


def plot_risk(results: Sequence[ArtefactResult], families: Colours) -> Figure:
    """Draw how many of the surest pixels are wrong, over how many they are: a line an artefact."""
    figure, axes = axes_of(3.2)
    sure = [(result, result.accuracy.sureness) for result in results if result.accuracy and result.accuracy.sureness]
    lines = []
    for result, sureness in sure:
        coverage, risk = (100 * np.asarray(values) for values in (sureness.coverage, sureness.risk))
        lines += axes.plot(
            coverage, risk, color=families[family(result)], linewidth=1.5, linestyle=dashes(result.precision)
        )
    axes.set(
        xlabel="the surest pixels, percent of all", ylabel="of these wrong, percent", xlim=(0, 100), ylim=(0, None)
    )
    legend(figure, [(line, result.artefact) for line, (result, _) in zip(lines, sure, strict=True)])
    return figure


def plot_stages(results: Sequence[ArtefactResult], stages: Colours) -> Figure:
    """Draw how long each stage works a frame: as they work at the same time, the one furthest right sets the pace."""
    figure, axes = axes_of(0.26 * len(results) + 1.1)
    for place, result in enumerate(results):
        times = result.stage_milliseconds
        axes.plot([0, max(times.values(), default=0)], [place, place], color=FAINT, linewidth=3, solid_capstyle="round")
        for stage, milliseconds in times.items():
            axes.plot(milliseconds, place, "o", color=stages[stage], markersize=7, markeredgecolor=GROUND)
    axes.set_yticks(range(len(results)), [short(result.artefact) for result in results], parse_math=False, fontsize=8)
    axes.grid(axis="y", visible=False)
    axes.set(xlim=(0, None), ylim=(len(results) - 0.4, -0.6), xlabel="milliseconds of work a frame")
    shown = [stage for stage in stages if any(stage in result.stage_milliseconds for result in results)]
    legend(figure, [(Line2D([], [], color=stages[stage], marker="o", linestyle=""), stage) for stage in shown])
    return figure


def plot_timeline(result: ArtefactResult, stages: Colours) -> Figure:
    """Draw when each stage worked on some of the last frames; every other frame is paler, to follow them by."""
    present = {span.stage for span in result.timeline}
    shown = [stage for stage in stages if stage in present]
    figure, axes = axes_of(0.34 * len(shown) + 0.7, width=TIMELINE_WIDTH)
    for place, stage in enumerate(shown):
        spans = [(span.start, span.stop - span.start) for span in result.timeline if span.stage == stage]
        for first, alpha in ((0, 1.0), (1, 0.5)):
            every_other = spans[first:TIMELINE_FRAMES:2]
            axes.broken_barh(every_other, (place - 0.38, 0.76), color=stages[stage], alpha=alpha, linewidth=0)
    axes.set_yticks(range(len(shown)), [short(stage) for stage in shown], parse_math=False)
    axes.grid(axis="y", visible=False)
    axes.set(xlim=(0, None), ylim=(len(shown) - 0.5, -0.5), xlabel="milliseconds")
    return figure


def miou(accuracy: AccuracyResult | None) -> float | None:
    """Return the mIoU over the 19 official classes, over all if the label space does not have them."""
    if accuracy is None:
        return None
    return accuracy.miou if accuracy.miou_official is None else accuracy.miou_official
