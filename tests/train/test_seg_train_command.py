"""seg-train as a person runs it."""

import subprocess
import sys
from pathlib import Path

from segdata.dataset import Dataset

COMMAND = Path(sys.executable).parent / "seg-train"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False)


def test_a_run_leaves_checkpoint_history_and_curves(dataset: Dataset, tmp_path: Path) -> None:
    size = ("--size", "64", "--width", "8", "--depth", "2", "--epochs", "1", "--batch-size", "8")
    result = run(dataset.folder, "-o", tmp_path / "run", *size)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == str(tmp_path / "run" / "best.safetensors")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "best.safetensors",
        "curves.png",
        "metrics.csv",
    ]


def test_an_empty_folder_is_no_dataset(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.returncode == 3
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert "seg-data prepare" in result.stderr


def test_a_dataset_of_another_size_is_refused_before_anything_is_written(dataset: Dataset, tmp_path: Path) -> None:
    result = run(dataset.folder, "-o", tmp_path / "run", "--size", "128")
    assert result.returncode == 3
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
