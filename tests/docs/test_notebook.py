"""docs/notebooks/first-steps.ipynb runs as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.docs_pages import DOCS, ROOT

NOTEBOOK = DOCS / "notebooks" / "first-steps.ipynb"
MOST_BYTES = 150_000


def test_it_runs_from_the_first_cell_to_the_last(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    places = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = os.environ | {
        "PATH": os.pathsep.join(places),
        "OMP_NUM_THREADS": "1",
        "IPYTHONDIR": str(tmp_path),
    }
    run = [sys.executable, str(ROOT / "tests" / "helpers" / "notebook.py"), str(NOTEBOOK), str(tmp_path)]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for name in ("segmented.mp4", "facts.jsonl", "runs/unet-64/best.safetensors", "exports/unet-64.int8.onnx"):
        assert (tmp_path / name).is_file(), name
    assert list((tmp_path / "exports").glob("*.engine"))
    written = nbformat.read(str(tmp_path / NOTEBOOK.name), as_version=4)
    cells = [cell for cell in written.cells if cell.cell_type == "code"]
    assert len(cells) == 10
    assert "image/png" in cells[1].outputs[0].data


def test_its_outputs_are_there_and_small() -> None:
    assert 10_000 < NOTEBOOK.stat().st_size < MOST_BYTES
    assert "/tmp/" not in NOTEBOOK.read_text()
