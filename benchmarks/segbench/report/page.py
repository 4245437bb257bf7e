"""A report as one self-contained HTML page: no script, no server, no network."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from segbench.facts import machine_facts, measured_on, missing_target, notes
from segbench.report import plots
from segbench.report.svg import to_svg
from segbench.report.tables import agreement, class_table, provenance, stages, tables
from segbench.results import ArtefactResult, BenchReport
from segdata.files import replacing
from segdata.text import printable


@dataclass(frozen=True)
class Plot:
    """A plot with its heading, what it shows in a sentence, and its <svg> element, escaped."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Section:
    """Plots under one heading."""

    title: str
    plots: list[Plot]


def to_page(report: BenchReport) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("segbench.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = printable
    return environment.get_template("page.html").render(
        report=report,
        device=measured_on(report),
        missing_target=missing_target(report),
        tables=[*tables(report), *agreement(report)],
        notes=notes(report),
        sections=_sections(report),
        timelines=list(_timelines(report)),
        details=[
            stages(report),
            *([class_table(report)] if any(result.accuracy for result in report.results) else []),
            provenance(report),
        ],
        facts=machine_facts(report),
    )


def write_page(report: BenchReport, path: Path) -> None:
    """Write the page."""
    with replacing(path) as temporary:
        temporary.write_text(to_page(report), encoding="utf-8")


def _sections(report: BenchReport) -> list[Section]:
    """Return all plots but the timelines."""
    results = report.results
    scored = [result for result in results if plots.miou(result.accuracy) is not None]
    families: defaultdict[str, list[ArtefactResult]] = defaultdict(list)
    for result in scored:
        families[plots.family(result)].append(result)
    staged = [result for result in results if result.stage_milliseconds]
    better = "mIoU over frames a second: up and to the right is better. The bar through a mark spans the rounds."
    spread = "How many frames took how many milliseconds; a row for each artefact."
    pace = "Stages work at the same time, so the one furthest right sets the pace, unless cores are short."
    sure = [result for result in scored if result.accuracy and result.accuracy.sureness]
    risk = "How many of the surest pixels are wrong: a line that rises late knows where the network errs."
    absent = "IoU of each class in each precision; a class without a mark does not occur in the dataset."
    against, latencies = plots.plot_accuracy_against_rate, plots.plot_latencies
    sections = [
        Section(
            "Accuracy against speed",
            [
                _plot("end-to-end", "End to end", better, partial(against, scored, lambda one: one.end_to_end)),
                _plot("engine", "The network alone", better, partial(against, scored, lambda one: one.engine)),
            ]
            if scored
            else [],
        ),
        Section(
            "Latency of single frames",
            [
                _plot("frames", "End to end", spread, partial(latencies, results, lambda one: one.end_to_end_latency)),
                _plot("passes", "The network alone", spread, partial(latencies, results, lambda one: one.latency)),
            ]
            if results
            else [],
        ),
        Section(
            "IoU by class",
            [
                _plot(f"classes-{number}", family, absent, partial(plots.plot_class_iou, members))
                for number, (family, members) in enumerate(families.items())
            ],
        ),
        Section(
            "Confidence",
            [_plot("risk", "Risk and coverage", risk, partial(plots.plot_risk, sure))] if sure else [],
        ),
        Section(
            "Work a frame, by stage",
            [_plot("stages", "All artefacts", pace, partial(plots.plot_stages, staged))] if staged else [],
        ),
    ]
    return [section for section in sections if section.plots]


def _timelines(report: BenchReport) -> Iterator[Plot]:
    """Yield the timeline of each artefact, the recommended one first."""
    for number, result in enumerate(sorted(report.results, key=lambda one: one.artefact != report.verdict.recommended)):
        if result.timeline:
            yield _plot(
                f"timeline-{number}",
                result.artefact,
                f"When each stage worked on {plots.TIMELINE_FRAMES} of the last frames; every other frame is paler.",
                partial(plots.plot_timeline, result),
            )


def _plot(name: str, title: str, caption: str, draw: Callable[[], Figure]) -> Plot:
    title = printable(title)
    return Plot(title, caption, to_svg(name, f"{title}. {caption}", draw))
