"""`seg-data prepare`, `check` and `show` as people run them: exit codes, what is printed, Ctrl-C and kills."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from helpers.children import child
from helpers.commands import run_command
from helpers.images import read_image
from segdata.cli import main
from segdata.images.size import Size
from segdata.options import PrepareOptions
from segdata.prepare.prepare import prepare

WritePair = Callable[..., None]

COMMAND = Path(sys.executable).with_name("seg-data")
LAYOUTS = ("official", "pairs", "plain", "VOC", "CamVid", "one folder", "side by side")
MANY = 24
BIG_WIDTH, BIG_HEIGHT = 1024, 512

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="seg-data is not installed beside this Python")


def run(*arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return run_command("seg-data", *arguments, cwd=folder, env={"COLUMNS": "250"})  # or tables break paths apart


def said(stderr: str) -> list[str]:
    """Return the lines of standard error but for the progress bar."""
    lines = [line for line in stderr.splitlines() if line.strip() and not line.startswith(("Preparing", "Checking"))]
    return [line for line in lines if "no pixel is of" not in line]  # small sources do not have every class


def contents(folder: Path) -> dict[str, bytes]:
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in paths}


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory, write_pair: WritePair) -> Path:
    """4 frames to train on and 5 of val."""
    folder = tmp_path_factory.mktemp("source") / "streets"
    for split, count in (("train", 4), ("val", 5)):
        for index in range(count):
            write_pair(folder / split, f"{index:04}", seed=10 * len(split) + index)
    return folder


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory, write_pair: WritePair) -> Path:
    """Many frames that take a while each."""
    folder = tmp_path_factory.mktemp("big")
    write_pair(folder, "one")
    for part in ("leftImg", "labelIds"):
        (folder / "source/val" / part).mkdir(parents=True)
        image = cv2.resize(
            read_image(folder / part / "one.png"), (BIG_WIDTH, BIG_HEIGHT), interpolation=cv2.INTER_NEAREST
        )
        cv2.imwrite(str(folder / part / "one.png"), image)
        for index in range(MANY):
            (folder / "source/val" / part / f"{index:04}.png").symlink_to(folder / part / "one.png")
    return folder / "source"


@pytest.fixture(scope="module")
def big_prepared(big: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an uninterrupted run makes of `big`."""
    target = tmp_path_factory.mktemp("prepared") / "out"
    assert run("prepare", big, target, "--size", "64").returncode == 0
    return contents(target)


def stop(source: Path, target: Path, signal_number: signal.Signals) -> tuple[int, str]:
    """Start a preparation at size 64, send it a signal once some frames are done, and return exit code and stderr."""
    journal = target.with_name(f".{target.name}.partial") / "journal.jsonl"
    command = [str(COMMAND), "prepare", str(source), str(target), "--size", "64"]
    with child(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 2):
            time.sleep(0.005)
        process.send_signal(signal_number)
        _, stderr = process.communicate(timeout=30)
    return process.returncode, stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to one process")
def test_ctrl_c_leaves_what_the_next_run_goes_on_with(
    big: Path, big_prepared: dict[str, bytes], tmp_path: Path
) -> None:
    returncode, stderr = stop(big, tmp_path / "out", signal.SIGINT)
    assert returncode == 130
    assert "Traceback" not in stderr
    assert len(said(stderr)) == 1
    assert said(stderr)[0].startswith("Interrupted")
    assert [path.name for path in tmp_path.iterdir()] == [".out.partial"]
    goes_on(big, big_prepared, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_run_is_gone_on_with(big: Path, big_prepared: dict[str, bytes], tmp_path: Path) -> None:
    returncode, _ = stop(big, tmp_path / "out", signal.SIGKILL)
    assert returncode == -signal.SIGKILL
    goes_on(big, big_prepared, tmp_path)


def goes_on(source: Path, expected: dict[str, bytes], folder: Path) -> None:
    """Start the preparation again; it must take over some frames, and end as one that was never stopped."""
    again = run("prepare", source, folder / "out", "--size", "64")
    assert (again.returncode, said(again.stderr)) == (0, [])
    count, words = again.stdout.splitlines()[0].split(" ", 1)
    assert words == "frames were there already"
    assert 2 <= int(count) < MANY
    assert f" {MANY - int(count)}/{MANY - int(count)} frames" in again.stderr
    assert contents(folder / "out") == expected
    assert [path.name for path in folder.iterdir()] == ["out"]


def test_prepare_twice(streets: Path, tmp_path: Path) -> None:
    arguments = ("prepare", streets, "out", "--size", "64", "--size", "32x16")
    first = run(*arguments, folder=tmp_path)
    told = [
        "train 4, val 5 frames of 64x64, 1 of val for calibration",
        str(Path("out/64")),
        "train 4, val 5 frames of 32x16, 1 of val for calibration",
        str(Path("out/32x16")),
    ]
    assert (first.returncode, first.stdout.splitlines(), said(first.stderr)) == (0, told, [])
    assert " 9/9 frames" in first.stderr
    before = contents(tmp_path)
    second = run(*arguments, folder=tmp_path)
    assert (second.returncode, said(second.stderr)) == (0, [])
    assert "Preparing" not in second.stderr
    assert second.stdout.splitlines() == ["9 frames were there already", *told]
    assert contents(tmp_path) == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["32x16", "64"]


def test_prepare_makes_128_if_not_told(streets: Path, tmp_path: Path) -> None:
    done = run("prepare", streets, tmp_path / "out", "--label-space", "cityscapes-8")
    assert "frames of 128x128" in done.stdout
    assert (tmp_path / "out/dataset.json").exists()


def test_another_dataset_in_the_way_is_one_line_and_code_3(streets: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    done = run("prepare", streets, tmp_path / "out")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"Error: {tmp_path}/out exists and is not this dataset; remove it or name another folder\n"


@pytest.mark.parametrize("size", ["12y", "", "x", "64x", "x64", "64x64x3", "-64", "64.0", "²", "9" * 6])
def test_a_size_that_is_none_is_a_usage_error(size: str, tmp_path: Path) -> None:
    """In this process: ten processes more would take long."""
    done = CliRunner().invoke(main, ["prepare", str(tmp_path), str(tmp_path / "out"), f"--size={size}"])
    assert done.exit_code == 2
    assert "Error: Invalid value for '--size'" in done.stderr
    assert f"{size!r} is not a size; write 128, or 256x128 for width and height" in done.stderr


def test_a_size_that_is_none_is_a_usage_error_of_the_command(streets: Path, tmp_path: Path) -> None:
    done = run("prepare", streets, tmp_path / "out", "--size", "12y")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'12y' is not a size" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_labels_are_told(tmp_path: Path) -> None:
    for index in range(2):
        mask = np.full((64, 64), 7, dtype=np.uint8)
        mask[32:] = 26
        mask[0, :5] = 200
        for folder, image in (("images", np.full((64, 64, 3), index, dtype=np.uint8)), ("masks", mask)):
            (tmp_path / "source" / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "source" / folder / f"{index}.png"), image)
    done = run("prepare", tmp_path / "source", tmp_path / "out", "--size", "64")
    assert done.returncode == 0
    assert said(done.stderr) == ["unknown labels became ignore: id 200 (10 pixels)"]


@pytest.mark.parametrize("command", ["check", "prepare"])
def test_two_classes_as_0_and_255_are_told(tmp_path: Path, command: str) -> None:
    """255 is ignored, so one class is missing, and accuracy would be 100 %."""
    (tmp_path / "two.toml").write_text(
        """name = "two"
classes = [
  { name = "bg", colour = [0, 0, 0], ids = [0] },
  { name = "thing", colour = [128, 0, 0], ids = [1] },
]"""
    )
    mask = np.zeros((64, 64), np.uint8)
    mask[:16] = 255
    for index in range(4):
        for folder, image in (("images", np.full((64, 64, 3), index, np.uint8)), ("masks", mask)):
            (tmp_path / "source" / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "source" / folder / f"{index}.png"), image)
    target = ["out"] if command == "prepare" else []
    done = run(command, "source", *target, "--label-space", "two.toml", folder=tmp_path)
    assert done.returncode == (0 if command == "prepare" else 1)
    told = done.stderr if command == "prepare" else done.stdout
    assert "no pixel is of thing, all are of bg: nothing to tell apart" in told
    assert "25.0% of the pixels are ignored (255)" in told


def test_check_finds_nothing(streets: Path) -> None:
    before = contents(streets)
    done = run("check", streets)
    assert (done.returncode, said(done.stderr)) == (0, [])
    assert done.stdout.splitlines()[0] == "layout pairs: train 4, val 5 frames, 0 problems"
    assert all("no pixel is of" in line for line in done.stdout.splitlines()[1:])
    assert contents(streets) == before


def test_check_names_the_problems(streets: Path, tmp_path: Path) -> None:
    source = tmp_path / "[/red] [b]town :car:"  # which rich would take for markup
    shutil.copytree(streets, source)
    (source / "train/leftImg/0001.png").write_bytes(b"broken")
    (source / "val/labelIds/0002.png").unlink()
    before = contents(source)
    done = run("check", source)
    assert (done.returncode, said(done.stderr)) == (1, [])
    lines = done.stdout.splitlines()
    assert lines[0] == "layout pairs: train 4, val 4 frames, 2 problems"
    broken, alone = str(source / "train/leftImg/0001.png"), str(source / "val/leftImg/0002.png")
    assert any("unreadable" in line and broken in line for line in lines)
    assert any("missing pair" in line and alone in line for line in lines)
    assert contents(source) == before


def test_check_without_a_source_is_code_3(tmp_path: Path) -> None:
    done = run("check", tmp_path / "none")
    assert done.returncode == 3
    assert len(said(done.stderr)) == 1


def test_show_prints_two_paths(streets: Path, tmp_path: Path) -> None:
    prepare(PrepareOptions(source=streets, target=tmp_path / "out", sizes=(Size(64, 64),)))
    done = run("show", "out", "--output", "shown", "--split", "train", "--frames", "2", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    paths = [tmp_path / line for line in done.stdout.splitlines()]
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        str(Path("shown/sheet.png")),
        str(Path("shown/classes.png")),
    ]
    assert all(cv2.imread(str(path)) is not None for path in paths)


def test_show_of_no_dataset_is_code_3(tmp_path: Path) -> None:
    done = run("show", tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["prepare", "check"])
def test_help_names_the_layouts(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    starts = [line.strip().split("  ")[0] for line in done.stdout.splitlines()]
    assert [start for start in starts if start in LAYOUTS] == list(LAYOUTS)
