"""The tables of figures in READMEs, so that none there is copied by hand."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from segbench.facts import TARGET, measured_on, missing_target, title
from segbench.figures import MISSING, rate
from segbench.report.grid import Grid
from segbench.report.markdown import escaped, markdown_table
from segbench.report.tables import family, summary
from segbench.results import ArtefactResult, BenchReport
from segdata.errors import InputError
from segdata.files import replacing
from segdata.spec import Precision

START, STOP = "<!-- seg-bench -->", "<!-- /seg-bench -->"


def update_readme(readme: Path, report: BenchReport, others: Mapping[str, BenchReport] | None = None) -> None:
    """Replace what stands between START and STOP in `readme` by the report's short table, and those of other machines.

    Raises InputError if the file cannot be read, or does not have both marks once and in that order.
    """
    _fill(readme, _block(report, list((others or {}).values())))


def update_index(readme: Path, reports: Mapping[str, BenchReport]) -> None:
    """Replace the same in the README of the folder of results by a row for each report, named without its suffix."""
    headings = ("report", "device", "edgeseg", "measured")
    rows = tuple(
        (f"[{name}]({name}.md) ([page]({name}.html), [JSON]({name}.json))", *map(escaped, _origin(report)))
        for name, report in reports.items()
    )
    _fill(readme, markdown_table(Grid("", headings, rows, len(headings)), escape=False))


def other_machines(reports: list[BenchReport]) -> Grid:
    """Return a row for each model on each device, by its newest report: how fast it is in each precision."""
    newest: dict[str, BenchReport] = {}
    for report in sorted(reports, key=lambda report: report.created):
        newest[title(report)] = report
    rows = [row for name in sorted(newest) for row in _rows(name, newest[name])]
    precisions = get_args(Precision)
    return Grid("", ("device", "runner", "model", *precisions, "end to end"), tuple(rows), 3)


def _rows(device: str, report: BenchReport) -> list[tuple[str, ...]]:
    models: defaultdict[tuple[str, str], dict[str, ArtefactResult]] = defaultdict(dict)
    for result in report.results:
        models[result.runner, family(result).partition(".")[0]][result.precision] = result
    rows = []
    for (runner, model), results in models.items():
        engines = [rate(results[each].engine) if each in results else MISSING for each in get_args(Precision)]
        fastest = max((result.end_to_end for result in results.values()), key=lambda found: found.median)
        rows.append((device, runner, model, *engines, rate(fastest)))
    return rows


def _origin(report: BenchReport) -> tuple[str, str, str]:
    return measured_on(report), report.edgeseg, report.created[:10]


def _fill(readme: Path, block: str) -> None:
    try:
        text = readme.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{readme}: cannot be read ({error}); need a Markdown file in UTF-8") from None
    before, start, rest = text.partition(START)
    _, stop, after = rest.partition(STOP)
    if not (start and stop) or START in rest or STOP in before + after:
        raise InputError(f"{readme}: need one line {START} and after it one line {STOP}; the table goes between them")
    with replacing(readme) as temporary:
        temporary.write_text(f"{before}{START}\n{block}\n{STOP}{after}", encoding="utf-8")


def _block(report: BenchReport, others: list[BenchReport]) -> str:
    where = f"Measured on {measured_on(report)}, with edgeseg {report.edgeseg} on {report.created[:10]}."
    what = f"Video: {report.video}. Accuracy: {report.dataset or 'not measured'}; in percent."
    parts = [markdown_table(summary(report)), f"{escaped(where)} {escaped(what)}"]
    if others:
        parts += [
            "Other machines: frames a second of the network alone in each precision, and of the fastest end to end.",
            markdown_table(other_machines(others)),
        ]
    missing = [missing_target(each) for each in (report, *others)]
    if all(missing):
        parts.append(missing[0] or TARGET)
    return "\n\n".join(parts)
