"""The results in the repository: readable, labelled with their device, and the source of the README's table."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from segbench.report.markdown import to_markdown
from segbench.report.readme_table import update_readme
from segbench.results import read_report

if TYPE_CHECKING:
    from conftest import Refused

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
REPORTS = sorted(RESULTS.glob("*.json"))


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


@pytest.mark.parametrize("path", [path for path in REPORTS if path.with_suffix(".md").exists()], ids=lambda p: p.stem)
def test_the_markdown_is_that_of_the_json(path: Path) -> None:
    assert path.with_suffix(".md").read_text() == to_markdown(read_report(path))


def test_the_readme_has_the_table_of_the_report(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text((ROOT / "README.md").read_text())
    update_readme(readme, read_report(RESULTS / "amd-epyc-2-cores.json"))
    assert readme.read_text() == (ROOT / "README.md").read_text()
