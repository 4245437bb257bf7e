"""The command seg-bench, as a user starts it."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import segbench.artefacts
import segbench.bench
from helpers.commands import run_command
from segbench.cli import bench_command
from segbench.results import BenchReport, read_report
from segdata.dataset.dataset import Dataset
from segdata.errors import InputError
from segdata.shipped import DEFAULT_ONNX

if TYPE_CHECKING:
    from conftest import Artefacts


def seg_bench(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run_command("seg-bench", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def measured(
    artefacts: "Artefacts", dataset: Dataset, street_video: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """The output of `seg-bench small.int8.onnx --all-precisions`, and the folder with everything it wrote."""
    folder = tmp_path_factory.mktemp("measured")
    few = ("--all-precisions", "--frames", "3", "--rounds", "2", "--max-drop", "100")
    reports = ("--json", "figures.json", "--markdown", "report.md", "--quality", "strips")
    model = artefacts.onnx["int8"]
    done = seg_bench(model, "--data", dataset.folder, "--video", street_video, *few, *reports, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout, folder


@pytest.fixture(scope="module")
def report(measured: tuple[str, Path]) -> BenchReport:
    return read_report(measured[1] / "figures.json")


def test_every_precision_is_measured(report: BenchReport) -> None:
    assert [result.precision for result in report.results] == ["fp32", "fp16", "int8"]
    assert {result.runner for result in report.results} == {"OpenVINO"}
    assert [len(result.engine.rounds) for result in report.results] == [2, 2, 2]
    assert report.dataset == "128 evaluation frames of prepared"


def test_the_table_is_printed(measured: tuple[str, Path], report: BenchReport) -> None:
    text, words = measured[0], " ".join(measured[0].split())
    assert f"{report.machine.cores} cores, no GPU used" in words
    for result in report.results:
        assert result.artefact in text
        assert result.accuracy is not None
        assert f"{100 * (result.accuracy.pixel_accuracy or 0):.2f}" in text
    for sentence in (*report.verdict.sentences, *report.warnings):
        assert "".join(sentence.split()) in "".join(text.split())


def test_the_figures_can_be_read_back(measured: tuple[str, Path], report: BenchReport) -> None:
    written = (measured[1] / "figures.json").read_text()
    assert report.to_json() == written
    assert json.loads(written)["schema"] == 1


def test_reports_and_strips_are_written_and_named(measured: tuple[str, Path], report: BenchReport) -> None:
    text, folder = measured
    assert text.splitlines()[-2:] == ["figures.json", "report.md"]
    markdown = (folder / "report.md").read_text()
    assert markdown.startswith("# Benchmark: ")
    assert all(result.artefact in markdown for result in report.results)
    assert [result.artefact for result in report.quality] == ["small.fp16.onnx", "small.int8.onnx"]
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    strips = [f"strips/small.{precision}.onnx.worst.png" for precision in ("fp16", "int8")]
    assert files == ["figures.json", "report.md", *strips]


def test_two_reports_are_compared(measured: tuple[str, Path], tmp_path: Path) -> None:
    figures = measured[1] / "figures.json"
    done = seg_bench("compare", figures, figures, "--markdown", "changes.md", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for precision in ("fp32", "fp16", "int8"):
        assert f"small.{precision}.onnx" in done.stdout
        assert f"small.{precision}.onnx" in (tmp_path / "changes.md").read_text()
    assert done.stdout.splitlines()[-1] == "changes.md"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.onnx"], "missing.onnx: no such file; need one that edgeseg wrote"),
        (["MODEL", "--video", "missing.mp4"], "missing.mp4: no such file; need a video"),
        (
            ["MODEL", "--data", "missing"],
            "missing: no such folder, need a dataset; make one with: seg-data prepare IMAGES DATASET",
        ),
        (["MODEL", "--rounds", "0"], "got 100 frames and 0 rounds, need 1 or more of each"),
        (["MODEL", "--frames", "0"], "got 0 frames and 5 rounds, need 1 or more of each"),
        (["--estimate", "toaster"], "got device 'toaster', need one of gtx-1660-ti, "),
        (["missing.safetensors"], "missing.safetensors: no such file; need one that edgeseg wrote"),
        (["CHECKPOINT"], "CHECKPOINT: int8 needs frames to calibrate on; give --data DATASET"),
        (["compare", "missing.json", "missing.json"], "missing.json: no such file; need a JSON report"),
        (["compare", "MODEL", "MODEL"], "MODEL: "),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    artefacts: "Artefacts", tmp_path: Path, arguments: list[str], said: str
) -> None:
    stands_for = {"MODEL": str(artefacts.onnx["fp16"]), "CHECKPOINT": str(artefacts.checkpoint)}
    done = seg_bench(*(stands_for.get(argument, argument) for argument in arguments), cwd=tmp_path)
    for name, path in stands_for.items():
        said = said.replace(name, path)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: {said}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_estimate_measures_nothing(artefacts: "Artefacts", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*_: object) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr(segbench.bench, "bench", measured)
    figures = tmp_path / "figures.json"
    models = [str(artefacts.onnx[precision]) for precision in ("fp32", "int8")]
    done = CliRunner().invoke(bench_command, [*models, "--estimate", "gtx-1660-ti", "--json", str(figures)])
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "Estimate, not a measurement: roofline on a GTX 1660 Ti" in text
    assert "small.fp32.onnx" in text
    assert "small.int8.onnx" in text
    assert "layers of" not in text
    assert not figures.exists()  # an estimate is no report
    one = CliRunner().invoke(bench_command, [models[0], "--estimate", "gtx-1660-ti"])
    assert "layers of small.fp32.onnx on a GTX 1660 Ti" in " ".join(one.output.split())


def test_what_was_asked_reaches_the_choice_of_artefacts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dataset included: it calibrates a checkpoint."""
    asked: list[tuple[Sequence[Path], bool, Path | None]] = []

    def chosen(named: Sequence[Path], all_precisions: bool, folder: Path, data: Path | None, *_: object) -> None:
        assert folder.is_dir()
        asked.append((named, all_precisions, data))
        raise InputError("stop here")

    monkeypatch.setattr(segbench.bench, "check_options", lambda _: None)  # there is no such dataset
    monkeypatch.setattr(segbench.artefacts, "artefacts_of", chosen)
    CliRunner().invoke(bench_command, ["a.safetensors", "b.onnx", "--all-precisions", "--data", "prepared"])
    CliRunner().invoke(bench_command, [])
    assert asked == [((Path("a.safetensors"), Path("b.onnx")), True, Path("prepared")), ((), False, None)]


def test_a_page_that_cannot_be_made_is_told_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*_: object) -> None:
        raise AssertionError("it was measured")

    monkeypatch.setattr(segbench.bench, "bench", measured)
    monkeypatch.delitem(sys.modules, "segbench.report.page", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = CliRunner().invoke(bench_command, [str(DEFAULT_ONNX[0]), "--html", "report.html"])
    assert (done.exit_code, done.stdout) == (5, "")
    assert done.stderr == "Error: jinja2 is not installed; run: pip install 'edgeseg[report]'\n"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (
            [],
            "ARTEFACTS --all-precisions --data --video --runner --frames --rounds --max-drop --target-fps --min-miou "
            "--quality --estimate --json --markdown --html --debug preflight contribute compare",
        ),
        (["compare"], "BEFORE AFTER --markdown --debug"),
        (["preflight"], "MODEL --debug"),
        (["contribute"], "--output --cpu --frames --rounds --debug"),
    ],
)
def test_help_imports_no_heavy_library(words: list[str], shown: str) -> None:
    heavy = ("torch", "cv2", "openvino", "onnx", "onnxruntime", "av", "numpy", "matplotlib", "jinja2")
    script = (
        "import sys, atexit\nfrom segbench.cli import main\n"
        f"atexit.register(lambda: print('imported:', *[name for name in {heavy} if name in sys.modules]))\n"
        f"sys.argv = ['seg-bench', *{words}, '--help']\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"Usage: {' '.join(['seg-bench', *words])} ")
    for word in shown.split():
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stdout.splitlines()[-1] == "imported:"
