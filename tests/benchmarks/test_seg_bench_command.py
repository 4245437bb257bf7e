"""The command seg-bench, as a user starts it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from segdata.dataset import Dataset

if TYPE_CHECKING:
    from conftest import Artefacts

COMMAND = Path(sys.executable).parent / "seg-bench"


def seg_bench(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False, cwd=cwd)


def test_the_table_is_printed_and_the_figures_written(
    artefacts: "Artefacts", dataset: Dataset, street_video: Path, tmp_path: Path
) -> None:
    files = [artefacts.onnx[precision] for precision in ("fp32", "int8")]
    few = ("--frames", "3", "--rounds", "2", "--json", "figures.json")
    done = seg_bench(*files, "--data", dataset.folder, "--video", street_video, *few, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "figures.json").read_text())
    assert [row["precision"] for row in written["rows"]] == ["fp32", "int8"]
    assert {row["runner"] for row in written["rows"]} == {"OpenVINO"}
    assert [len(row["engine"]["rounds"]) for row in written["rows"]] == [2, 2]
    text = " ".join(done.stdout.split())
    assert f"{written['machine']['cores']} cores, no GPU used" in text
    for row in written["rows"]:
        assert f"{row['precision']}: {row['artefact']} on OpenVINO, sha256 {row['sha256'][:12]}" in text
        assert f"{100 * row['accuracy']['pixel_accuracy']:.2f}" in done.stdout
    assert "Accuracy, in percent: 128 evaluation frames of prepared" in text
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.onnx"], "missing.onnx: no such file; need an artefact written by seg-export"),
        (["MODEL", "--video", "missing.mp4"], "missing.mp4: no such file; need a video"),
        (["MODEL", "--data", "missing"], "missing: no dataset, dataset.json is missing; make one with: seg-data"),
        (["MODEL", "--rounds", "0"], "got 100 frames and 0 rounds, need 1 or more of each"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    artefacts: "Artefacts", tmp_path: Path, arguments: list[str], said: str
) -> None:
    model = str(artefacts.onnx["fp16"])
    done = seg_bench(*(model if argument == "MODEL" else argument for argument in arguments), cwd=tmp_path)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: {said}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_help_imports_no_heavy_library() -> None:
    heavy = ("torch", "cv2", "openvino", "onnxruntime", "av")
    script = (
        "import sys\nfrom segbench.cli import main\nmain(['--help'], standalone_mode=False)\n"
        f"print('imported:', *[name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for option in ("ARTEFACTS", "--data", "--video", "--engine", "--frames", "--rounds", "--json", "--debug"):
        assert option in done.stdout
    assert done.stdout.splitlines()[-1] == "imported:"
