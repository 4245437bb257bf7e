"""seg-train as a user runs it: its files, its output, and one line for each error."""

import base64
import csv
import importlib.util
import json
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from helpers.children import child
from helpers.images import read_image
from helpers.training_runs import COMMAND, LIMIT, Heard, environment, said
from segdata.command_line.progress import SILENT
from segdata.dataset.dataset import Dataset
from segdata.labels import CITYSCAPES_19
from segdata.spec import ModelSpec
from segtrain.cli import main
from segtrain.history import EpochFigures
from segtrain.loop import train
from segtrain.network.checkpoint import build_network, load_checkpoint, save_checkpoint
from segtrain.options import TrainOptions
from segtrain.report.reporter import Reporter
from segtrain.report.run_page import write_run_page
from segtrain.state import read_position

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Mounted = Callable[[Path, str], AbstractContextManager[None]]

SMALL = ("--arch", "nano", "--width", "8", "--depth", "2", "--batch-size", "8", "--augment", "none")
WRITTEN = [
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

needs_command = pytest.mark.skipif(not COMMAND.exists(), reason="seg-train is not installed beside this Python")


@dataclass(frozen=True)
class Ran:
    """A run that ended well: its folder and what it said."""

    folder: Path
    stdout: str
    stderr: str


def seg_train(*arguments: str | Path) -> Result:
    """Run the command in this process: starting another takes seconds."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(result: Result, exit_code: int = 3) -> str:
    """Return the one line that a refusal must be."""
    assert result.exit_code == exit_code, result.output
    lines = said(result.stderr)
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: ")
    return lines[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def finished(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run of two epochs."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    command: list[str | Path] = [
        COMMAND,
        dataset.folder,
        "-o",
        folder,
        *SMALL,
        "--epochs",
        "2",
        "--seed",
        "5",
        "--log",
        "tensorboard",
    ]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, encoding="utf-8", timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    return Ran(folder, done.stdout, done.stderr)


# What a run writes and prints


@needs_command
def test_a_run_leaves_all_its_files_and_nothing_else(finished: Ran) -> None:
    assert sorted(path.name for path in finished.folder.iterdir()) == [*WRITTEN, "tensorboard"]
    page = (finished.folder / "run.html").read_text(encoding="utf-8")
    for name in ("curves.png", "panels.png", "confusion.png", "iou.png"):
        picture = read_image(finished.folder / name)
        assert picture.std() > 1, name
        assert base64.b64encode((finished.folder / name).read_bytes()).decode() in page
    assert "2 of 2 epochs" in page
    assert "refresh" not in page  # it is over
    assert page.count("<tr") == 3


def test_the_page_of_a_run_that_goes_on_reloads_itself(tmp_path: Path) -> None:
    row = EpochFigures(1, 2.0, 0.1, 0.5, 2.1, 0.25, float("nan"), 0.5, 1e-3, 10.0, 0.1)
    write_run_page(tmp_path, [row], 8, running=True)
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert "running: 1 of 8 epochs; the weights of epoch 1 are kept" in page
    assert 'http-equiv="refresh"' in page
    assert "<img" not in page  # nothing is drawn yet


def test_the_page_of_a_run_that_ended_early_has_every_epoch(tmp_path: Path) -> None:
    """Epochs that follow each other fast are not drawn one by one; what ends the run draws them."""
    row = EpochFigures(1, 2.0, 0.1, 0.5, 2.1, 0.25, float("nan"), 0.5, 1e-3, 10.0, 0.1)
    reporter = Reporter(tmp_path, TrainOptions(dataset=tmp_path))
    history = []
    for epoch in range(1, 4):
        history.append(replace(row, epoch=epoch))
        reporter.scored(history)
    assert (tmp_path / "curves.png").is_file()
    reporter.give_up()
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert page.count("<tr") == 4
    assert "refresh" not in page
    assert base64.b64encode((tmp_path / "curves.png").read_bytes()).decode() in page


def test_a_folder_of_several_sizes_names_them(dataset: Dataset, tmp_path: Path) -> None:
    for size in ("64", "128"):
        (tmp_path / size).mkdir()
        (tmp_path / size / "dataset.json").write_bytes((dataset.folder / "dataset.json").read_bytes())
    line = refused(seg_train(tmp_path, *SMALL))
    assert line == f"Error: {tmp_path}: holds datasets of the sizes 64, 128; name one of them: {tmp_path / '64'}"


@needs_command
def test_it_prints_the_summary_the_table_and_where_the_weights_are(finished: Ran) -> None:
    lines = finished.stdout.splitlines()
    assert "64x64 pixels, 29 classes" in lines[0]
    assert "parameters" in lines[1]
    assert "GMAC" in lines[1]
    assert [line.partition(":")[0] for line in lines[2:4]] == ["epoch 1/2", "epoch 2/2"]  # it is no terminal
    assert lines[-1] == str(finished.folder / "best.safetensors")
    assert "percent" in finished.stdout
    row = next(line for line in lines if "64x64, the network's size" in line)
    shown = [float(cell) for cell in row.split("│")[2:5]]
    metrics = load_checkpoint(finished.folder / "best.safetensors")[1].metrics
    assert metrics is not None
    figures = [100 * metrics[name] for name in ("miou", "miou_official", "pixel_accuracy")]
    assert shown == pytest.approx(figures, abs=0.2)  # the weights were rounded to float16


@needs_command
def test_libraries_do_not_chatter(finished: Ran) -> None:
    assert said(finished.stderr) == []


@needs_command
def test_config_toml_says_what_was_asked_for(finished: Ran, dataset: Dataset) -> None:
    config = tomllib.loads((finished.folder / "config.toml").read_text(encoding="utf-8"))
    given = {"arch": "nano", "width": 8, "depth": 2, "batch_size": 8, "augment": "none", "epochs": 2, "seed": 5}
    given |= {"dataset": str(dataset.folder), "output": str(finished.folder), "log": "tensorboard", "resume": False}
    assert given.items() <= config["options"].items()
    assert config["options"]["learning_rate"] == 4e-3  # a default
    assert "minutes" not in config["options"]
    assert config["network"] == load_checkpoint(finished.folder / "best.safetensors")[1].options


@needs_command
def test_iou_csv_has_a_row_a_class(finished: Ran, dataset: Dataset) -> None:
    with (finished.folder / "iou.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == list(dataset.facts.class_names)
    row = next(line for line in finished.stdout.splitlines() if "the network's size" in line)
    mean = np.nanmean([float(row["iou"]) for row in rows])
    assert 100 * mean == pytest.approx(float(row.split("│")[2]), abs=0.006)


@needs_command
def test_tensorboard_reads_its_logs(finished: Ran) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = reader.EventAccumulator(str(finished.folder / "tensorboard"))
    log.Reload()
    with (finished.folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(log.Tags()["scalars"]) == set(rows[0]) - {"epoch"}
    for name in ("miou", "train_loss", "learning_rate"):
        assert [event.step for event in log.Scalars(name)] == [1, 2]
        assert log.Scalars(name)[-1].value == pytest.approx(float(rows[-1][name]), rel=1e-6)
    assert set(log.Tags()["images"]) == {"curves", "panels", "confusion", "iou"}
    assert b"learning_rate = 0.004" in log.Tensors("config/text_summary")[0].tensor_proto.string_val[0]


@needs_command
def test_mlflow_has_options_figures_and_files(dataset: Dataset, tmp_path: Path) -> None:
    """Offline, in a database of its own."""
    for module in ("mlflow", "pytorch_lightning", "sqlalchemy"):
        if not importlib.util.find_spec(module):
            pytest.skip(f"{module} is not installed")
    folder = tmp_path / "run"
    command: list[str | Path] = [COMMAND, dataset.folder, "-o", folder, *SMALL, "--epochs", "1", "--log", "mlflow"]
    without_server = {name: value for name, value in environment().items() if name != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(command, env=without_server, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(folder / "mlflow" / "mlflow.db")) as database:
        ((name, status),) = database.execute("select name, status from runs").fetchall()
        options = dict(database.execute("select key, value from params").fetchall())
        figures = dict(database.execute("select key, value from metrics").fetchall())
    assert (name, status) == ("run", "FINISHED")
    assert options["learning_rate"] == "0.004"
    with (folder / "metrics.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert figures == pytest.approx({name: float(value) for name, value in row.items() if name != "epoch"})
    kept = {path.name for path in (folder / "mlflow").rglob("*") if path.is_file()}
    assert {"best.safetensors", "panels.png", "curves.png", "config.toml", "iou.csv"} <= kept


# One line for each thing that goes wrong


def test_an_empty_folder_is_no_dataset(tmp_path: Path) -> None:
    assert "dataset.json is missing; make one with: seg-data prepare" in refused(seg_train(tmp_path))


@pytest.mark.parametrize("more", [[], ["--log", "tensorboard"]])
def test_a_dataset_of_another_size_is_refused_before_anything_is_written(
    dataset: Dataset, tmp_path: Path, more: list[str]
) -> None:
    line = refused(seg_train(dataset.folder, "-o", tmp_path / "run", "--size", "128", *more))
    assert "got --size 128 but" in line
    assert "leave --size out, or name the dataset of that size" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_without_frames_is_refused(dataset: Dataset, tmp_path: Path, split: str) -> None:
    folder = shutil.copytree(dataset.folder, tmp_path / "dataset")
    facts = json.loads((folder / "dataset.json").read_text())
    facts["splits"][split] |= {"names": [], "sha256": [], "class_pixels": [0] * 29}
    facts["calibration"] = []
    (folder / "dataset.json").write_text(json.dumps(facts))
    np.save(folder / f"{split}_images.npy", np.zeros((0, 64, 64, 3), np.uint8))
    np.save(folder / f"{split}_labels.npy", np.zeros((0, 64, 64), np.uint8))
    line = refused(seg_train(folder, "-o", tmp_path / "run", *SMALL))
    assert f"the split {split} has no frames; need at least one" in line
    assert not (tmp_path / "run").exists()


@needs_command
def test_a_folder_that_holds_a_run_is_refused(finished: Ran, dataset: Dataset) -> None:
    before = contents(finished.folder)
    assert "holds a run; go on with it by --resume" in refused(seg_train(dataset.folder, "-o", finished.folder, *SMALL))
    assert contents(finished.folder) == before


def test_too_few_minutes_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    line = refused(seg_train(dataset.folder, "-o", tmp_path / "run", *SMALL, "--minutes", "0.000001"))
    assert "for one epoch here; raise --minutes" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("more", [[], ["--log", "tensorboard"]])
@pytest.mark.parametrize("name", ["file/run", "n" * 300])
def test_a_folder_that_cannot_be_is_refused(dataset: Dataset, tmp_path: Path, name: str, more: list[str]) -> None:
    (tmp_path / "file").write_text("mine")
    line = refused(seg_train(dataset.folder, "-o", tmp_path / name, *SMALL, *more))
    assert "cannot write" in line
    assert contents(tmp_path) == {"file": b"mine"}


def test_logs_that_cannot_be_written_are_one_line(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("mine")
    assert "cannot write" in refused(seg_train(dataset.folder, "-o", tmp_path, *SMALL, "--log", "tensorboard"))
    assert (tmp_path / "tensorboard").read_text() == "mine"


# --init


def write_other_space(path: Path, dataset: Dataset, **options: int) -> None:
    """Write an untrained checkpoint of 19 classes, of what SMALL asks for and `options`."""
    network_options: dict[str, int | str] = {
        "width": 8, "depth": 2, "widest": 64, "block": "plain", "upsample": "resize", "stem_stride": 2
    }  # fmt: skip
    spec = ModelSpec(
        64, 64, CITYSCAPES_19.name, CITYSCAPES_19.names, CITYSCAPES_19.colours, "unet", {**network_options, **options}
    )
    save_checkpoint(path, build_network(spec), spec)


def test_a_warm_start_from_another_label_space_works(dataset: Dataset, tmp_path: Path) -> None:
    write_other_space(tmp_path / "other.safetensors", dataset)
    result = seg_train(
        dataset.folder, "-o", tmp_path / "run", *SMALL, "--epochs", "1", "--init", tmp_path / "other.safetensors"
    )
    assert result.exit_code == 0, result.output
    assert load_checkpoint(tmp_path / "run" / "best.safetensors")[1].class_count == 29


def test_a_warm_start_from_another_architecture_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    write_other_space(tmp_path / "other.safetensors", dataset, width=16)
    result = seg_train(dataset.folder, "-o", tmp_path / "run", *SMALL, "--init", tmp_path / "other.safetensors")
    assert refused(result).endswith("another architecture than this run's; train with --width 16")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("content", "words"), [(None, "no such file"), (b"no tensors", "not a safetensors file")])
def test_a_warm_start_from_no_checkpoint_is_refused(
    dataset: Dataset, tmp_path: Path, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "x.safetensors").write_bytes(content)
    result = seg_train(dataset.folder, "-o", tmp_path / "run", *SMALL, "--init", tmp_path / "x.safetensors")
    assert words in refused(result)
    assert not (tmp_path / "run").exists()


# What ends a run


def test_a_full_disk_is_one_line_and_the_run_can_go_on(dataset: Dataset, tmp_path: Path, mounted: Mounted) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=20m"):
        folder = disk / "run"
        options = TrainOptions(
            dataset=dataset.folder, output=folder, arch="nano", width=8, depth=2, batch_size=8, augment="none", epochs=3
        )
        with pytest.raises(KeyboardInterrupt):
            train(options, dataset, SILENT, Heard(on_scored=interrupt))
        last = (folder / "last.safetensors").read_bytes()
        # Room for the smaller files, but not for a second state beside the first.
        with (disk / "filler").open("wb") as file:
            file.write(bytes(shutil.disk_usage(disk).free - len(last) // 2))
        resume = (dataset.folder, "-o", folder, *SMALL, "--epochs", "3", "--resume")
        line = refused(seg_train(*resume))
        assert line == f"Error: cannot write {folder}/last.safetensors: No space left on device; choose another place"
        assert (folder / "last.safetensors").read_bytes() == last
        assert load_checkpoint(folder / "best.safetensors")[1].metrics is not None
        assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
        (disk / "filler").unlink()
        assert seg_train(*resume).exit_code == 0
        assert sorted(path.name for path in folder.iterdir()) == WRITTEN


def interrupt() -> None:
    raise KeyboardInterrupt


@needs_command
def test_ctrl_c_is_one_line_and_leaves_the_last_good_files(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command: list[str | Path] = [COMMAND, dataset.folder, "-o", folder, *SMALL, "--epochs", "500"]
    with child(
        command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        end = time.monotonic() + LIMIT
        while not (folder / "last.safetensors").exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)  # as impatient hands do
        stderr = process.communicate(timeout=LIMIT)[1]
    assert process.returncode == 130
    assert len(said(stderr)) == 1, stderr
    on = re.fullmatch(
        rf"Interrupted; {folder} keeps the weights of \d+ of 500 epochs; go on with: (.*) --resume", said(stderr)[0]
    )
    assert on is not None, stderr
    assert shlex.split(on[1]) == [str(word) for word in ("seg-train", *command[1:])]
    assert len(read_position(folder / "last.safetensors").history) >= 1
    assert load_checkpoint(folder / "best.safetensors")[1].metrics is not None
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
