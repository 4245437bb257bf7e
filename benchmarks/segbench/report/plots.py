"""The plots of a report's page, as figures in the page's colours (segbench.report.svg)."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from segbench.report.plot_parts import (
    TIMELINE_WIDTH,
    axes_of,
    by_colour,
    dot,
    empty_figure,
    is_wide,
    legend,
    logarithmic,
    precision_legend,
    short,
)
from segbench.report.svg import FAINT, GROUND, INK
from segbench.results import AccuracyResult, ArtefactResult, Latency, Rate

TIMELINE_FRAMES = 40
LEAST_SPAN = 2.0  # points of mIoU that a plot of it spans at least


def family(result: ArtefactResult) -> str:
    """Return the model that an artefact is a precision of, as its file's name tells: unet-256 of unet-256.int8.onnx."""
    stem = result.artefact.rpartition(".")[0] or result.artefact
    return stem.removesuffix(f".{result.precision}")


def plot_accuracy_against_rate(results: Sequence[ArtefactResult], rate_of: Callable[[ArtefactResult], Rate]) -> Figure:
    """Draw mIoU over frames a second, a colour a model and a marker a precision; a bar spans the rounds."""
    figure, axes = axes_of(3.5)
    families = by_colour(family(result) for result in results)
    for result in results:
        score = miou(result.accuracy)
        if score is None:
            continue
        rounds, colour = rate_of(result).rounds, families[family(result)]
        axes.plot([min(rounds), max(rounds)], [100 * score] * 2, color=colour, linewidth=1.5)
        axes.plot(rate_of(result).median, 100 * score, **dot(result.precision, colour))
    axes.set(xlabel="frames a second", ylabel="mIoU, percent")
    axes.margins(0.08)
    low, high = axes.get_ylim()
    missing = max(0.0, LEAST_SPAN - (high - low))  # else a difference of 0.03 fills the plot
    axes.set_ylim(low - missing / 2, high + missing / 2)
    rates = [rate for result in results for rate in rate_of(result).rounds]
    if is_wide(min(rates), max(rates)):
        logarithmic(axes)
    lines = [Line2D([], [], color=colour, linewidth=3) for colour in families.values()]
    shapes, precisions = precision_legend(results, {})
    legend(figure, [*lines, *shapes], [*families, *precisions])
    return figure


def plot_latencies(results: Sequence[ArtefactResult], latency_of: Callable[[ArtefactResult], Latency]) -> Figure:
    """Draw how the times of single frames are spread, a row an artefact, with p50, p90 and p99 marked."""
    figure = empty_figure(0.42 * len(results) + 0.8)
    rows = figure.subplots(len(results), 1, sharex=True, squeeze=False)[:, 0]
    times = np.concatenate([latency_of(result).milliseconds for result in results])
    wide = is_wide(times.min(), times.max())
    bins = (np.geomspace if wide else np.linspace)(times.min() * 0.98, times.max() * 1.02, 61)
    families = by_colour(family(result) for result in results)
    for axes, result in zip(rows, results, strict=True):
        latency = latency_of(result)
        axes.hist(latency.milliseconds, bins, color=families[family(result)], alpha=0.75)
        for share, dashes in ((50, "-"), (90, "--"), (99, ":")):
            axes.axvline(latency.percentile(share), color=INK, linewidth=1, linestyle=dashes)
        axes.set_yticks([])
        axes.grid(axis="y", visible=False)
        axes.set_ylabel(short(result.artefact), rotation=0, ha="right", va="center", fontsize=8, parse_math=False)
        axes.spines["left"].set_visible(False)
    if wide:
        logarithmic(rows[-1])
    rows[-1].set_xlabel("milliseconds")
    lines = [Line2D([], [], color=INK, linewidth=1, linestyle=dashes) for dashes in ("-", "--", ":")]
    legend(figure, lines, ["p50", "p90", "p99"])
    return figure


def plot_class_iou(results: Sequence[ArtefactResult]) -> Figure:
    """Draw the IoU of each class, a marker a precision; a class that does not occur has none."""
    names = list(dict.fromkeys(name for result in results if result.accuracy for name in result.accuracy.class_iou))
    figure, axes = axes_of(0.19 * len(names) + 0.9)
    colours = by_colour(result.precision for result in results)
    for result in results:
        by_class = result.accuracy.class_iou if result.accuracy else {}
        known = [(100 * iou, names.index(name)) for name, iou in by_class.items() if iou is not None]
        places = [place for _, place in known]
        axes.plot([percent for percent, _ in known], places, **dot(result.precision, colours[result.precision]))
    axes.set_yticks(range(len(names)), [short(name) for name in names], parse_math=False, fontsize=8)
    axes.set(xlim=(-2, 102), ylim=(len(names) - 0.4, -0.6), xlabel="IoU, percent")
    legend(figure, *precision_legend(results, colours))
    return figure


def plot_risk(results: Sequence[ArtefactResult]) -> Figure:
    """Draw how many of the surest pixels are wrong, over how many they are: a line an artefact."""
    figure, axes = axes_of(3.2)
    sure = [(result, result.accuracy.sureness) for result in results if result.accuracy and result.accuracy.sureness]
    colours = by_colour(result.artefact for result, _ in sure)
    for result, sureness in sure:
        coverage, risk = (100 * np.asarray(values) for values in (sureness.coverage, sureness.risk))
        axes.plot(coverage, risk, color=colours[result.artefact], linewidth=1.5)
    axes.set(
        xlabel="the surest pixels, percent of all", ylabel="of these wrong, percent", xlim=(0, 100), ylim=(0, None)
    )
    lines = [Line2D([], [], color=colour, linewidth=3) for colour in colours.values()]
    legend(figure, lines, [short(name) for name in colours])
    return figure


def plot_stages(results: Sequence[ArtefactResult]) -> Figure:
    """Draw how long each stage works a frame: as they work at the same time, the one furthest right sets the pace."""
    figure, axes = axes_of(0.26 * len(results) + 1.1)
    stages = by_colour(stage for result in results for stage in result.stage_milliseconds)
    for place, result in enumerate(results):
        times = result.stage_milliseconds
        axes.plot([0, max(times.values(), default=0)], [place, place], color=FAINT, linewidth=3, solid_capstyle="round")
        for stage, milliseconds in times.items():
            axes.plot(milliseconds, place, "o", color=stages[stage], markersize=7, markeredgecolor=GROUND)
    axes.set_yticks(range(len(results)), [short(result.artefact) for result in results], parse_math=False, fontsize=8)
    axes.grid(axis="y", visible=False)
    axes.set(xlim=(0, None), ylim=(len(results) - 0.4, -0.6), xlabel="milliseconds of work a frame")
    dots = [Line2D([], [], color=colour, marker="o", linestyle="") for colour in stages.values()]
    legend(figure, dots, list(stages))
    return figure


def plot_timeline(result: ArtefactResult) -> Figure:
    """Draw when each stage worked on some of the last frames; every other frame is paler, to follow them by."""
    stages = by_colour(span.stage for span in result.timeline)
    figure, axes = axes_of(0.34 * len(stages) + 0.7, width=TIMELINE_WIDTH)
    for place, (stage, colour) in enumerate(stages.items()):
        spans = [(span.start, span.stop - span.start) for span in result.timeline if span.stage == stage]
        for first, alpha in ((0, 1.0), (1, 0.5)):
            every_other = spans[first:TIMELINE_FRAMES:2]
            axes.broken_barh(every_other, (place - 0.38, 0.76), color=colour, alpha=alpha, linewidth=0)
    axes.set_yticks(range(len(stages)), [short(stage) for stage in stages], parse_math=False)
    axes.grid(axis="y", visible=False)
    axes.set(xlim=(0, None), ylim=(len(stages) - 0.5, -0.5), xlabel="milliseconds")
    return figure


def miou(accuracy: AccuracyResult | None) -> float | None:
    """Return the mIoU over the 19 official classes, over all if the label space has not got them."""
    if accuracy is None:
        return None
    return accuracy.miou if accuracy.miou_official is None else accuracy.miou_official
