"""Reproducible: a wheel built elsewhere has the same bytes, and the same seed trains the same weights."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.training_runs import COMMAND, LIMIT, rows_of
from helpers.wheels import clean_variables, copy_tree
from segdata.dataset.dataset import Dataset
from segdata.files import sha256_of

GIT = ["git", "-c", "user.name=someone", "-c", "user.email=someone@example.org", "-c", "init.defaultBranch=main"]

needs_make = pytest.mark.skipif(not (shutil.which("make") and shutil.which("git")), reason="needs make and git")
needs_command = pytest.mark.skipif(not COMMAND.exists(), reason="seg-train is not installed beside this Python")


def made_wheel(repository: Path, clone: Path, umask: int, **variables: str) -> Path:
    """Clone the repository, run `make wheel` there, and return the wheel."""
    installed = Path(sys.prefix) / ".edgeseg-ready"  # as old as it may be: nothing is to be installed from here
    for command in (
        [*GIT, "clone", "--quiet", str(repository), str(clone)],
        ["make", "--directory", str(clone), "--old-file", str(installed), "wheel", f"VIRTUAL_ENV={sys.prefix}"],
    ):
        done = subprocess.run(command, env=os.environ | variables, umask=umask, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (clone / "dist").iterdir()
    return wheel


@needs_make
def test_a_commit_gives_the_same_wheel_wherever_and_whenever(tmp_path: Path) -> None:
    copy_tree(tmp_path / "tree")
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*GIT, *command], cwd=tmp_path / "tree", check=True)
    first = made_wheel(tmp_path / "tree", tmp_path / "here", 0o022, TZ="UTC", PYTHONHASHSEED="1")
    time.sleep(2)  # what a zip file counts in
    second = made_wheel(tmp_path / "tree", tmp_path / "else where", 0o077, TZ="Asia/Tokyo", PYTHONHASHSEED="2")
    assert first.name == second.name
    assert sha256_of(first) == sha256_of(second)


@needs_command
def test_a_seed_trains_the_same_weights_in_another_process(dataset: Dataset, tmp_path: Path) -> None:
    small = ["--arch", "nano", "--width", "8", "--depth", "2", "--batch-size", "8", "--epochs", "1", "--seed", "7"]
    small += ["--precision", "32-true", "--threads", "2"]  # which are measured otherwise
    for name in ("one", "two"):
        command: list[str | Path] = [COMMAND, dataset.folder, "-o", tmp_path / name, *small]
        variables = clean_variables() | {"OMP_NUM_THREADS": "2"}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=LIMIT)
        assert done.returncode == 0, done.stderr
    assert sha256_of(tmp_path / "one" / "best.safetensors") == sha256_of(tmp_path / "two" / "best.safetensors")
    assert tensors(tmp_path / "one" / "last.safetensors") == tensors(tmp_path / "two" / "last.safetensors")
    assert rows_of(tmp_path / "one") == rows_of(tmp_path / "two")


def tensors(state: Path) -> bytes:
    """Return weights, averages and optimiser of a state; its header has times, which no two runs share."""
    content = state.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]
