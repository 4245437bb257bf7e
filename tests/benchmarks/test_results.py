"""The results in the repository: readable, labelled with their device, and the source of the README's table."""

import re
import runpy
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers.sample_reports import made_report
from segbench.report.markdown import to_markdown
from segbench.results import read_report

if TYPE_CHECKING:
    from conftest import Refused

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
REPORTS = sorted(RESULTS.glob("*.json"))
SCRIPT = runpy.run_path(str(ROOT / "benchmarks" / "update_readme.py"))


def test_there_are_results() -> None:
    assert REPORTS


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_a_result_is_readable_and_named_after_its_device(path: Path) -> None:
    report = read_report(path)
    for result in report.results:
        assert result.device in report.machine.processor or (report.machine.card and result.device)
    words = path.stem.split("-")
    named = f"{report.machine.processor} {report.machine.cores} {report.machine.card}".lower()
    assert words[0] in named
    assert ("gtx" in path.stem) == (report.machine.card is not None and "GTX" in report.machine.card.name)


@pytest.mark.parametrize("damage", ['"rounds": []', '"rounds": [0.0]', '"milliseconds": []'])
def test_a_report_without_a_measurement_is_refused(tmp_path: Path, refused: "Refused", damage: str) -> None:
    name = damage.partition(":")[0]
    path = tmp_path / "report.json"
    path.write_text(re.sub(rf"{name}: \[[^]]*\]", damage, REPORTS[0].read_text(), count=1))
    with refused("report.json: "):
        read_report(path)


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_the_markdown_is_that_of_the_json(path: Path) -> None:
    assert path.with_suffix(".md").read_text() == to_markdown(read_report(path))


def test_the_tables_of_the_readmes_are_those_of_the_reports(tmp_path: Path) -> None:
    shutil.copytree(RESULTS, tmp_path / "benchmarks" / "results")
    shutil.copyfile(ROOT / "README.md", tmp_path / "README.md")
    SCRIPT["write_tables"](tmp_path)
    for name in ("README.md", "benchmarks/results/README.md"):
        assert (tmp_path / name).read_text() == (ROOT / name).read_text()


def test_each_report_gets_its_markdown_and_its_page(tmp_path: Path) -> None:
    folder = tmp_path / "benchmarks" / "results"
    folder.mkdir(parents=True)
    report = made_report()
    (folder / "it.json").write_text(report.to_json())
    SCRIPT["write_reports"](tmp_path)
    assert (folder / "it.md").read_text() == to_markdown(report)
    page = (folder / "it.html").read_text()
    assert all(result.artefact in page for result in report.results)
