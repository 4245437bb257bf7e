"""Takes a file of seg-bench contribute into the folder of results."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from segbench.contribute.pack import PREFLIGHT, REPORT, read_member
from segbench.facts import file_name, title
from segbench.report.markdown import write_markdown
from segbench.report.page import write_page
from segbench.report.terminal import write_json
from segbench.results import BenchReport
from segdata.errors import InputError
from segdata.files import replacing
from segdata.text import first_problem


def take_in(pack: Path, folder: Path) -> Path:
    """Write the report of a pack to `folder` as JSON, Markdown and a page, with the preflight; return the JSON.

    They are named after the device, with a number if another report of such a device is there. Markdown and page are
    made here from the figures, not taken from the pack: it is a stranger's. Raises InputError if `pack` is not a file
    of seg-bench contribute.
    """
    try:
        report = TypeAdapter(BenchReport).validate_json(read_member(pack, REPORT))
    except ValidationError as error:
        raise InputError(f"{pack}: {REPORT}: {first_problem(error)}; need a file of seg-bench contribute") from None
    if not report.results:
        raise InputError(f"{pack}: {REPORT} has no figures; need a file of seg-bench contribute")
    target = _place(folder / f"{file_name(title(report))}.json", report)
    write_json(report, target)
    write_markdown(report, target.with_suffix(".md"))
    write_page(report, target.with_suffix(".html"))
    with replacing(target.with_suffix(".preflight.txt")) as temporary:
        temporary.write_bytes(read_member(pack, PREFLIGHT))
    return target


def _place(path: Path, report: BenchReport) -> Path:
    """Return `path`, or the next free name; the same report replaces itself."""
    place, number = path, 1
    while place.exists() and place.read_text(encoding="utf-8") != report.to_json():
        number += 1
        place = path.with_stem(f"{path.stem}-{number}")
    return place
