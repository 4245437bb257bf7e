"""The benchmark's table in a README, so that no figure there is copied by hand."""

from pathlib import Path

from segbench.facts import measured_on, missing_target
from segbench.report.markdown import escaped, markdown_table
from segbench.report.tables import summary
from segbench.results import BenchReport
from segdata.errors import InputError
from segdata.files import replacing

START, STOP = "<!-- seg-bench -->", "<!-- /seg-bench -->"


def update_readme(readme: Path, report: BenchReport) -> None:
    """Replace what stands between START and STOP in `readme` by the report's short table.

    Raises InputError if the file cannot be read, or if the two do not stand in it once each and in that order.
    """
    try:
        text = readme.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{readme}: cannot be read ({error}); need a Markdown file in UTF-8") from None
    before, start, rest = text.partition(START)
    _, stop, after = rest.partition(STOP)
    if not (start and stop) or START in rest or STOP in before + after:
        raise InputError(f"{readme}: need one line {START} and after it one line {STOP}; the table goes between them")
    with replacing(readme) as temporary:
        temporary.write_text(f"{before}{START}\n{_block(report)}\n{STOP}{after}", encoding="utf-8")


def _block(report: BenchReport) -> str:
    where = f"Measured on {measured_on(report)}, with edgeseg {report.edgeseg} on {report.created[:10]}."
    what = f"Video: {report.video}. Accuracy: {report.dataset or 'not measured'}; in percent."
    parts = [markdown_table(summary(report)), f"{escaped(where)} {escaped(what)}"]
    if line := missing_target(report):
        parts.append(line)
    return "\n\n".join(parts)
