"""A report as one self-contained HTML page: no script, no server, no network."""

from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from segbench.facts import machine_facts, measured_on, missing_target, notes
from segbench.figures import percent
from segbench.report import plots
from segbench.report.plot_parts import by_colour
from segbench.report.svg import SERIES, to_svg
from segbench.report.tables import agreement, class_table, family, provenance, stages, tables
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


@dataclass(frozen=True)
class FramePicture:
    """The pictures of a frame, as addresses that hold them, the precision that drew it, and a sentence on it."""

    precision: str
    overlay: str
    differences: str | None
    caption: str


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
        frames=_frames(report),
        sections=list(_sections(report)),
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


def _frames(report: BenchReport) -> dict[str, list[FramePicture]]:
    """Return the pictures of each model, one a precision."""
    results = {result.artefact: result for result in report.results}
    pictures: defaultdict[str, list[FramePicture]] = defaultdict(list)
    for view in report.frames:
        result = results.get(view.artefact)
        if result is None:
            continue
        caption = f"{view.seconds:.2f} s into the video."
        if view.equal_pixels is not None:
            caption = f"{percent(view.equal_pixels)} % of the pixels as in {view.reference}; orange where they differ."
        marked = None if view.differences is None else _address(view.differences)
        picture = FramePicture(result.precision, _address(view.overlay), marked, printable(caption))
        pictures[printable(family(result))].append(picture)
    return pictures


def _address(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"


def _sections(report: BenchReport) -> Iterator[Section]:
    """Yield all plots but the timelines."""
    results = report.results
    scored = [result for result in results if plots.miou(result.accuracy) is not None]
    sure = [result for result in scored if result.accuracy and result.accuracy.sureness]
    staged = [result for result in results if result.stage_milliseconds]
    families = by_colour(map(family, results))
    if scored:
        against = partial(plots.plot_accuracy_against_rate, scored, families=families)
        better = "mIoU over frames a second: up and to the right is better. The bar through a mark spans the rounds."
        whole = _plot("end-to-end", "End to end", better, partial(against, lambda one: one.end_to_end))
        alone = _plot("engine", "The network alone", better, partial(against, lambda one: one.engine))
        yield Section("Accuracy against speed", [whole, alone])
    if results:
        latencies = partial(plots.plot_latencies, results, families=families)
        spread = "How many frames took how many milliseconds; a row for each artefact."
        whole = _plot("frames", "End to end", spread, partial(latencies, lambda one: one.end_to_end_latency))
        alone = _plot("passes", "The network alone", spread, partial(latencies, lambda one: one.latency))
        yield Section("Latency of single frames", [whole, alone])
    if scored:
        members: defaultdict[str, list[ArtefactResult]] = defaultdict(list)
        for result in scored:
            members[family(result)].append(result)
        absent = "IoU of each class in each precision; a class without a mark does not occur in the dataset."
        by_family = [
            _plot(f"classes-{number}", family, absent, partial(plots.plot_class_iou, own, families[family]))
            for number, (family, own) in enumerate(members.items())
        ]
        yield Section("IoU by class", by_family)
    if sure:
        risk = (
            "How many of the surest pixels are wrong: the later a line rises, the better the confidence finds errors."
        )
        line = _plot("risk", "Risk and coverage", risk, partial(plots.plot_risk, sure, families))
        yield Section("Confidence", [line])
    if staged:
        pace = "Stages work at the same time, so the one furthest right sets the pace, unless cores are short."
        work = _plot("stages", "All artefacts", pace, partial(plots.plot_stages, staged, _stage_colours(report)))
        yield Section("Work a frame, by stage", [work])


def _timelines(report: BenchReport) -> Iterator[Plot]:
    """Yield the timeline of each artefact, the recommended one first."""
    colours = _stage_colours(report)
    for number, result in enumerate(sorted(report.results, key=lambda one: one.artefact != report.verdict.recommended)):
        if result.timeline:
            yield _plot(
                f"timeline-{number}",
                result.artefact,
                f"When each stage worked on {plots.TIMELINE_FRAMES} of the last frames; every other frame is paler.",
                partial(plots.plot_timeline, result, colours),
            )


def _stage_colours(report: BenchReport) -> dict[str, str]:
    """Return a colour for each stage, the same in every plot; the last ones, as models take the first."""
    worked = [stage for result in report.results for stage in result.stage_milliseconds]
    seen = [span.stage for result in report.results for span in result.timeline]
    return by_colour([*worked, *seen], SERIES[::-1])


def _plot(name: str, title: str, caption: str, draw: Callable[[], Figure]) -> Plot:
    title = printable(title)
    return Plot(title, caption, to_svg(name, f"{title}. {caption}", draw))
