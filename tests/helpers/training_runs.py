"""What tests that start seg-train share: how it is started, and how what it leaves and says is read."""

import csv
import os
import sys
from pathlib import Path

from segtrain.loop import Progress

COMMAND = Path(sys.executable).with_name("seg-train")
TIMED = ("images_per_second", "outside_share")  # the columns of metrics.csv that no two runs share
LIMIT = 600  # seconds, so that nothing waits for ever

QUIET = Progress(lambda *_: None, lambda *_: None, lambda _: None, lambda _: None)


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def said(stderr: str) -> list[str]:
    """Return the lines of standard error but for the progress bar."""
    return [line for line in stderr.splitlines() if line.strip() and not line.startswith("Training")]


def rows_of(folder: Path) -> list[dict[str, str]]:
    """Return metrics.csv without times, as text: equal means equal bit for bit."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [{name: text for name, text in row.items() if name not in TIMED} for row in csv.DictReader(file)]
