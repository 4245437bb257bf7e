"""The scripts in benchmarks/ run, on small things. What the documentation runs with all arguments is tested with it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers.images import read_image
from segdata.dataset import Dataset

if TYPE_CHECKING:
    from conftest import Artefacts

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


def run(*words: object) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_contact_sheet_has_a_row_for_the_frames_and_one_a_model(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path
) -> None:
    models = artefacts.onnx["fp32"], artefacts.onnx["int8"]
    said = run(SCRIPTS / "contact_sheet.py", tmp_path / "sheet.png", street_video, *models)
    assert read_image(tmp_path / "sheet.png").shape == (3 * 135, 8 * 240, 3)
    assert {line.partition(" on ")[0] for line in said.splitlines()} == {path.name for path in models}
    assert any("street darkened: " in line and "%" in line for line in said.splitlines())


@pytest.mark.parametrize(
    ("script", "heading"),
    [("calibration.py", "| calibrated on | method |"), ("export_steps.py", "| step, with the export before it |")],
)
def test_export_scripts_print_their_table(
    artefacts: "Artefacts", dataset: Dataset, tmp_path: Path, script: str, heading: str
) -> None:
    words = [artefacts.checkpoint, dataset.folder, tmp_path / "out" if script == "export_steps.py" else 8]
    said = run(SCRIPTS / script, *words)
    assert heading in said
    assert sum(line.startswith("| ") for line in said.splitlines()) > 5


def test_what_encoding_costs_is_a_table(street_video: Path) -> None:
    said = run(SCRIPTS / "encoding.py", street_video, 6)
    rows = [line.split("|")[1:-1] for line in said.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) == 1 + 3 * 3
    assert all(float(row[4]) > 25 for row in rows[1:])


def test_what_receipts_cost_is_a_table_and_a_line(artefacts: "Artefacts") -> None:
    words = ("--videos", 2, "--rounds", 1, "--tiny", 12, "--without-ray")
    lines = run(SCRIPTS / "fleet_cost.py", artefacts.onnx["fp32"], *words).splitlines()
    assert [line.split("|")[1].strip() for line in lines[3:5]] == ["one command, no receipts", "receipts"]
    assert lines[5].startswith("12 videos of one frame: ")
    assert lines[6].startswith("resident MB at each tenth: ")
