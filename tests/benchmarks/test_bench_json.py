"""A benchmark's report as JSON: written, and read again."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from segbench.report.terminal import write_json
from segbench.results import BenchReport, read_report

Refused = Callable[..., AbstractContextManager[None]]

if TYPE_CHECKING:
    pass


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_the_json_has_every_figure_and_null_for_none(report: BenchReport, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_json(report, path)
    written = json.loads(path.read_text(), parse_constant=refuse)
    assert written["schema"] == 1
    assert written["results"] == json.loads(json.dumps([asdict(result) for result in report.results]))
    assert written["machine"] == json.loads(json.dumps(asdict(report.machine)))
    assert (written["video"], written["dataset"]) == (report.video, report.dataset)
    classes = written["results"][0]["accuracy"]["class_iou"]
    assert len(classes) == 29
    assert None in classes.values()  # a class that no frame has


def test_a_report_is_read_as_it_was_written(report: BenchReport, tmp_path: Path) -> None:
    write_json(report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == report


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "report.json: no such file; need a JSON report of seg-bench"),
        ("no JSON", "report.json: .*; need a JSON report of seg-bench, schema 1"),
        ("{}", "report.json: .*; need a JSON report of seg-bench, schema 1"),
        ('"schema": 2', "report.json: .*schema.*; need a JSON report of seg-bench, schema 1"),
    ],
)
def test_what_is_no_report_is_refused(
    report: BenchReport, tmp_path: Path, refused: Refused, content: str | None, said: str
) -> None:
    path = tmp_path / "report.json"
    if content == '"schema": 2':
        path.write_text(report.to_json().replace('"schema": 1', '"schema": 2'))
    elif content is not None:
        path.write_text(content)
    with refused(said):
        read_report(path)
