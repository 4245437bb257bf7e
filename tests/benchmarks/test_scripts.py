"""The scripts in benchmarks/ run, on small things. What the documentation runs with all arguments is tested with it."""

import io
import runpy
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from helpers.images import read_image
from segdata.dataset.dataset import Dataset
from segdata.images.size import Size
from segdata.options import PrepareOptions, SynthOptions
from segdata.prepare.prepare import prepare
from segdata.shipped import MODELS
from segdata.synth.write import write_synthetic

if TYPE_CHECKING:
    from conftest import Artefacts

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


def run(script: Path, *words: object) -> str:
    """Return what a script prints; it runs here, as a process of its own imports libraries for seconds."""
    with (
        patch.object(sys, "argv", [str(script), *map(str, words)]),
        patch.object(sys, "path", [str(script.parent), *sys.path]),
        redirect_stdout(io.StringIO()) as printed,
    ):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:  # click's commands end so
            if end.code:
                raise
    return printed.getvalue()


def test_contact_sheet_has_a_row_for_the_frames_and_one_a_model(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path
) -> None:
    models = artefacts.onnx["fp32"], artefacts.onnx["int8"]
    said = run(SCRIPTS / "contact_sheet.py", tmp_path / "sheet.png", street_video, *models)
    assert read_image(tmp_path / "sheet.png").shape == (3 * 135, 8 * 240, 3)
    assert {line.partition(" on ")[0] for line in said.splitlines()} == {path.name for path in models}
    assert any("street darkened: " in line and "%" in line for line in said.splitlines())


def test_calibrations_are_a_table(artefacts: "Artefacts", tmp_path: Path) -> None:
    size = Size(64, 64)
    write_synthetic(SynthOptions(target=tmp_path / "pairs", train=4, val=20, size=size, seconds=0))
    prepare(PrepareOptions(source=tmp_path / "pairs", target=tmp_path / "few", sizes=(size,)))
    said = run(SCRIPTS / "calibration.py", artefacts.checkpoint, tmp_path / "few", 8)
    assert "| calibrated on | method |" in said
    assert sum(line.startswith("| ") for line in said.splitlines()) > 5


def test_the_steps_of_an_export_are_a_table(artefacts: "Artefacts", dataset: Dataset, tmp_path: Path) -> None:
    said = run(SCRIPTS / "export_steps.py", artefacts.checkpoint, dataset.folder, tmp_path / "out")
    assert "| step, with the export before it |" in said
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


def test_a_gallery_shows_six_frames_to_each_model_that_ships(street_video: Path, tmp_path: Path) -> None:
    said = run(SCRIPTS / "gallery.py", street_video, tmp_path, "0")
    assert [Path(line).name for line in said.splitlines()] == [f"gallery-{name}.jpg" for name in MODELS]
    assert {read_image(Path(line)).shape for line in said.splitlines()} == {(2 * 270, 3 * 480, 3)}
    assert (tmp_path / "street.gif").read_bytes().startswith(b"GIF8")
