"""Several processes on one machine, started by `--devices` or torchrun: one training, one folder, one output."""

import csv
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from helpers.children import child
from helpers.docs_pages import DOCS, FENCE
from helpers.training_runs import COMMAND, LIMIT, Heard, environment, rows_of, said, tiny_options
from segdata.command_line.progress import SILENT
from segdata.dataset.dataset import Dataset
from segtrain.loop import train
from segtrain.network.checkpoint import load_checkpoint

TORCHRUN = Path(sys.executable).with_name("torchrun")
EPOCHS = 6
OPTIONS = "--arch nano --width 8 --depth 2 --batch-size 8 --learning-rate 0.02 --augment none --precision 32-true"

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="seg-train is not installed beside this Python")


@dataclass(frozen=True)
class Ran:
    """A run of two processes: its folder, what it said, and a copy of the folder as it was in the middle."""

    folder: Path
    stdout: str
    stderr: str
    middle: Path


def losses(folder: Path, name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in rows_of(folder)])


@pytest.fixture(scope="module")
def two(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run of `--devices 2`."""
    folder = tmp_path_factory.mktemp("two")
    command: list[str | Path] = [
        COMMAND,
        dataset.folder,
        "-o",
        folder / "run",
        *OPTIONS.split(),
        "--epochs",
        str(EPOCHS),
    ]
    with (
        (folder / "stdout").open("w") as stdout,
        (folder / "stderr").open("w") as stderr,
        child([*command, "--devices", "2"], env=environment(), stdout=stdout, stderr=stderr) as process,
    ):
        end = time.monotonic() + LIMIT
        while process.poll() is None and not (folder / "run" / "last.safetensors").exists():
            time.sleep(0.005)
            if time.monotonic() > end:
                process.kill()
        (folder / "middle").mkdir()
        for name in ("best.safetensors", "last.safetensors"):
            if (folder / "run" / name).exists():
                shutil.copy(folder / "run" / name, folder / "middle")
        assert process.wait(LIMIT) == 0, (folder / "stderr").read_text()
    stdout_text, stderr_text = ((folder / name).read_text(encoding="utf-8") for name in ("stdout", "stderr"))
    return Ran(folder / "run", stdout_text, stderr_text, folder / "middle")


@pytest.fixture(scope="module")
def one(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the same run in one process."""
    folder = tmp_path_factory.mktemp("one")
    options = tiny_options(dataset, folder, epochs=EPOCHS, learning_rate=0.02, augment="none")
    train(options, dataset, SILENT, Heard())
    return folder


def test_two_processes_learn_what_one_does(one: Path, two: Ran) -> None:
    """Batch normalisation sees half of a batch in each, so that the figures differ a little."""
    assert losses(two.folder, "train_loss") == pytest.approx(losses(one, "train_loss"), rel=0.05)
    assert losses(two.folder, "val_loss") == pytest.approx(losses(one, "val_loss"), rel=0.25)
    assert losses(two.folder, "train_loss")[-1] < 0.8 * losses(two.folder, "train_loss")[0]
    assert [row["learning_rate"] for row in rows_of(two.folder)] == [row["learning_rate"] for row in rows_of(one)]


def test_one_of_two_processes_writes_and_speaks(two: Ran) -> None:
    assert sorted(path.name for path in two.folder.iterdir()) == [
        "best.safetensors",
        "config.toml",
        "confusion.png",
        "curves.png",
        "iou.csv",
        "iou.png",
        "last.safetensors",
        "metrics.csv",
        "panels.png",
        "run.html",
    ]
    assert said(two.stderr) == []
    lines = two.stdout.splitlines()
    assert lines[0].startswith("UNet, width 8")
    assert lines[-1] == str(two.folder / "best.safetensors")
    for once in ("UNet, ", "M parameters", "epoch 1/", "percent", "the network's size"):
        assert two.stdout.count(once) == 1, once
    assert len(lines) == 9 + len(rows_of(two.folder)), (
        two.stdout
    )  # two of the summary, one an epoch, six of the table, the path


def test_one_of_two_processes_says_what_went_wrong_in_both(dataset: Dataset, tmp_path: Path) -> None:
    command: list[str | Path] = [COMMAND, dataset.folder, "-o", tmp_path / "run", *OPTIONS.split(), "--devices", "2"]
    done = subprocess.run(
        [*command, "--learning-rate", "1e30"], env=environment(), capture_output=True, text=True, timeout=LIMIT
    )
    assert done.returncode == 1
    (line,) = said(done.stderr)
    assert line.startswith("Error: the loss ")


def test_the_figures_of_two_processes_are_those_of_all_frames(two: Ran, dataset: Dataset) -> None:
    spec = load_checkpoint(two.folder / "best.safetensors")[1]
    assert spec.metrics is not None
    best = max(float(row["miou"]) for row in rows_of(two.folder))
    assert spec.metrics["miou"] == pytest.approx(best, abs=0.1)  # the head was shifted since
    with (two.folder / "iou.csv").open() as file:
        ious = np.array([float(row["iou"]) for row in csv.DictReader(file)])
    assert np.nanmean(ious) == pytest.approx(spec.metrics["miou"], abs=2e-3)  # the weights were rounded to float16


@pytest.mark.parametrize("program", [["-m", "segtrain.cli"], [str(COMMAND)]], ids=["module", "script"])
def test_torchrun_goes_on_with_it_and_ends_alike(
    two: Ran, dataset: Dataset, tmp_path: Path, program: list[str]
) -> None:
    """From the middle of a run, so that any difference between the processes is noticed."""
    folder = shutil.copytree(two.middle, tmp_path / "run")
    start: list[str | Path] = [TORCHRUN, "--standalone", "--nproc-per-node", "2", *program]
    options: list[str | Path] = [dataset.folder, "-o", folder, *OPTIONS.split(), "--epochs", str(EPOCHS), "--resume"]
    done = subprocess.run([*start, *options], env=environment(), capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    assert rows_of(folder) == rows_of(two.folder)
    assert (folder / "best.safetensors").read_bytes() == (two.folder / "best.safetensors").read_bytes()
    assert said(done.stderr) == []
    assert done.stdout.count("the network's size") == 1
    assert done.stdout.splitlines()[-1] == str(folder / "best.safetensors")


def test_two_machines_train_as_the_page_says(two: Ran, dataset: Dataset, tmp_path: Path) -> None:
    """The page's script, once for each machine; here both are this one."""
    (script,) = (body for _, body in FENCE.findall((DOCS / "training.md").read_text()) if body.startswith("#!"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = {"10.77.0.1": "127.0.0.1", "29500": str(port), "=eth0": "=lo", " dataset ": f" {dataset.folder} "}
    here |= {"runs/two": f"{tmp_path / 'run'} --epochs {EPOCHS} {OPTIONS}"}
    for written, instead in here.items():
        assert script.count(written) == 1
        script = script.replace(written, instead)
    path = os.pathsep.join([str(TORCHRUN.parent), os.environ["PATH"]])
    with (
        (tmp_path / "said").open("w") as second_said,
        child(["bash", "-c", script, "bash", "1"], LIMIT, env={**environment(), "PATH": path}, stdout=second_said),
    ):
        first = subprocess.run(
            ["bash", "-c", script, "bash", "0"],
            env={**environment(), "PATH": path},
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    assert first.returncode == 0, first.stderr
    assert rows_of(tmp_path / "run") == rows_of(two.folder)
    assert first.stdout.splitlines()[-1] == str(tmp_path / "run/best.safetensors")
    assert (tmp_path / "said").read_text() == ""
