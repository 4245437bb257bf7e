"""A run that ended early is resumed as if it had not, after a kill, an error or its own end."""

import random
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.children import child
from helpers.progress import Told
from helpers.training_runs import COMMAND, LIMIT, Heard, environment, rows_of, tiny_options
from segdata.command_line.progress import SILENT, Progress
from segdata.dataset.dataset import Dataset
from segdata.errors import ContractError, EdgeSegError
from segtrain.learning.cpu_speed import CpuWay
from segtrain.loop import Events, Outcome, train
from segtrain.options import PrecisionChoice
from segtrain.state import read_position

Refused = Callable[..., AbstractContextManager[None]]

EPOCHS = 10


def ending_after(epochs: int, error: BaseException) -> tuple[Progress, Events]:
    """Return what ends the run by `error` in the first step after so many epochs."""
    heard = Heard()

    def on_step() -> None:
        if len(heard.history) == epochs:
            raise error

    return Told(on_step), heard


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A run of four epochs that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(tiny_options(dataset, folder), dataset, SILENT, Heard())


@pytest.fixture(scope="module")
def ended(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, ended in the middle of its third epoch."""
    folder = tmp_path_factory.mktemp("ended")
    with pytest.raises(KeyboardInterrupt):
        train(tiny_options(dataset, folder), dataset, *ending_after(2, KeyboardInterrupt()))
    return folder


@pytest.fixture
def half(ended: Path, tmp_path: Path) -> Path:
    """A copy of that run, to go on with."""
    return shutil.copytree(ended, tmp_path / "half")


@pytest.mark.skipif(not COMMAND.exists(), reason="seg-train is not installed beside this Python")
def test_a_run_killed_twice_ends_as_if_it_had_not_been(dataset: Dataset, tmp_path: Path) -> None:
    chance = random.Random(20)
    command: list[str | Path] = [COMMAND, dataset.folder, "-o", tmp_path / "killed", "--epochs", str(EPOCHS)]
    command += ["--arch", "nano", "--width", "8", "--depth", "2", "--batch-size", "8", "--precision", "32-true"]
    last = tmp_path / "killed" / "last.safetensors"
    for more in ([], ["--resume"]):
        before = last.stat().st_mtime_ns if last.exists() else 0
        with child([*command, *more], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            wait_for(lambda: last.exists() and last.stat().st_mtime_ns != before, process)  # noqa: B023 - waited for here
            time.sleep(chance.uniform(0, 0.3))
            process.kill()
        assert process.returncode == -9, "it ended before it was killed"
    assert 2 <= len(read_position(last).history) < EPOCHS
    done = subprocess.run([*command, "--resume"], env=environment(), capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    train(tiny_options(dataset, tmp_path / "whole", epochs=EPOCHS), dataset, SILENT, Heard())
    assert rows_of(tmp_path / "killed") == rows_of(tmp_path / "whole")
    assert len(rows_of(tmp_path / "killed")) == EPOCHS
    best = [(tmp_path / name / "best.safetensors").read_bytes() for name in ("killed", "whole")]
    assert best[0] == best[1]


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until the condition holds; fail if the process ends before."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_run_ended_in_an_epoch_goes_on_from_the_one_before(
    half: Path, whole: tuple[Path, Outcome], dataset: Dataset
) -> None:
    assert [row["epoch"] for row in rows_of(half)] == ["1", "2"]
    progress, heard = Told(), Heard()
    outcome = train(tiny_options(dataset, half, resume=True), dataset, progress, heard)
    assert (progress.totals, progress.done, heard.planned_epochs) == ([20, 20], [10, 15], [4, 4])
    assert rows_of(half) == rows_of(whole[0])
    assert (half / "best.safetensors").read_bytes() == (whole[0] / "best.safetensors").read_bytes()
    assert [row.miou for row in outcome.history] == [row.miou for row in whole[1].history]


def test_the_number_format_that_was_measured_is_kept(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = CpuWay("bf16-mixed", 1)
    monkeypatch.setattr("segtrain.launch.fastest_on_cpu", lambda *_: way)
    options = tiny_options(dataset, tmp_path, precision="auto")
    with pytest.raises(KeyboardInterrupt):
        train(options, dataset, *ending_after(1, KeyboardInterrupt()))
    asked: list[PrecisionChoice] = []

    def measured(*arguments: Any) -> CpuWay:  # noqa: ANN401 - those of `fastest_on_cpu`
        asked.append(arguments[4])
        return CpuWay(arguments[4], 1)

    monkeypatch.setattr("segtrain.launch.fastest_on_cpu", measured)
    train(replace(options, resume=True), dataset, SILENT, Heard())
    assert asked == ["bf16-mixed"]


def test_a_finished_run_resumed_is_only_evaluated(
    whole: tuple[Path, Outcome], dataset: Dataset, tmp_path: Path
) -> None:
    folder, outcome = whole
    before = contents(folder)
    again = train(
        tiny_options(dataset, folder, resume=True), dataset, *ending_after(0, AssertionError("it trains once more"))
    )
    assert contents(folder) == before
    assert again.history == outcome.history
    assert np.array_equal(again.evaluation.matrix, outcome.evaluation.matrix)


def test_a_run_that_patience_ended_resumed_is_only_evaluated(dataset: Dataset, tmp_path: Path) -> None:
    options = tiny_options(dataset, tmp_path, epochs=40, patience=1, learning_rate=5e-2, augment="none")
    history = train(options, dataset, SILENT, Heard()).history
    assert len(history) < 40
    before = contents(tmp_path)
    ending = ending_after(0, AssertionError("it trains once more"))
    assert train(replace(options, resume=True), dataset, *ending).history == history
    assert contents(tmp_path) == before


def test_an_epoch_whose_figures_could_not_be_written_is_done_again(
    dataset: Dataset, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "metrics.csv").mkdir()
    options = tiny_options(dataset, tmp_path, epochs=1)
    with refused("cannot write .*metrics.csv"):
        train(options, dataset, SILENT, Heard())
    (tmp_path / "metrics.csv").rmdir()
    resume = (tmp_path / "last.safetensors").exists()
    train(replace(options, resume=resume), dataset, SILENT, Heard())
    assert [row["epoch"] for row in rows_of(tmp_path)] == ["1"]


def test_after_a_loss_that_is_no_number_a_lower_learning_rate_goes_on(
    half: Path, dataset: Dataset, refused: Refused
) -> None:
    before = contents(half)
    with refused(r"epoch 3, on the frames .*; the last good weights are kept: --resume with a lower", EdgeSegError):
        train(tiny_options(dataset, half, resume=True, learning_rate=1e30), dataset, SILENT, Heard())
    assert contents(half) == before
    history = train(tiny_options(dataset, half, resume=True, learning_rate=1e-3), dataset, SILENT, Heard()).history
    assert len(history) == 4
    assert history[2].learning_rate < 1e-3 < history[1].learning_rate
    assert [row["epoch"] for row in rows_of(half)] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, r"got --seed 1 \(was 0\)"),
        ({"batch_size": 4, "class_balance": 1.0}, r"--batch-size 4 \(was 8\), --class-balance 1.0 \(was 0.5\)"),
        ({"epochs": 5}, r"got --epochs 5 \(was 4\); resume with the options the run was begun with"),
        ({"width": 16}, r"got --width 16 \(was 8\)"),
    ],
)
def test_other_options_are_refused(
    whole: tuple[Path, Outcome], dataset: Dataset, refused: Refused, changes: dict[str, Any], words: str
) -> None:
    before = contents(whole[0])
    with refused(words):
        train(tiny_options(dataset, whole[0], resume=True, **changes), dataset, SILENT, Heard())
    assert contents(whole[0]) == before


def test_without_a_run_there_is_nothing_to_resume(dataset: Dataset, tmp_path: Path, refused: Refused) -> None:
    with refused("last.safetensors: no such file, so there is no run to resume; leave out --resume"):
        train(tiny_options(dataset, tmp_path / "none", resume=True), dataset, SILENT, Heard())
    assert not (tmp_path / "none").exists()


def test_a_cut_state_is_refused(half: Path, dataset: Dataset, refused: Refused) -> None:
    last = half / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-100])
    with refused("last.safetensors: not a safetensors file"):
        train(tiny_options(dataset, half, resume=True), dataset, SILENT, Heard())


def test_a_checkpoint_is_no_state(half: Path, dataset: Dataset, refused: Refused) -> None:
    (half / "last.safetensors").write_bytes((half / "best.safetensors").read_bytes())
    with refused("last.safetensors: holds no training state", ContractError):
        train(tiny_options(dataset, half, resume=True), dataset, SILENT, Heard())
