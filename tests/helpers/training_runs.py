"""Helpers for tests that start seg-train: starting it, and reading its output and files."""

import csv
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.spec import ModelSpec
from segtrain.history import EpochFigures
from segtrain.options import TrainOptions

COMMAND = Path(sys.executable).with_name("seg-train")
TIMED = ("images_per_second", "outside_share")  # the columns of metrics.csv that no two runs share
LIMIT = 600  # seconds, so that nothing waits for ever


def tiny_options(dataset: Dataset, output: Path, **changes: Any) -> TrainOptions:  # noqa: ANN401 - any option
    """Return the options of a training that takes seconds and has the same result in every run."""
    small = TrainOptions(
        dataset=dataset.folder,
        output=output,
        arch="nano",
        width=8,
        depth=2,
        epochs=4,
        batch_size=8,
        precision="32-true",
    )
    return replace(small, **changes)


class Heard:
    """The events of a training, remembered: the epochs planned before each, the history so far, and the warnings.

    `on_planned` and `on_scored` are called then, and may raise.
    """

    def __init__(
        self, on_planned: Callable[[], object] = lambda: None, on_scored: Callable[[], object] = lambda: None
    ) -> None:
        self.planned_epochs: list[int] = []
        self.history: list[EpochFigures] = []
        self.warnings: list[str] = []
        self._on_planned, self._on_scored = on_planned, on_scored

    def planned(self, spec: ModelSpec, epochs: int) -> None:
        self.planned_epochs.append(epochs)
        self._on_planned()

    def scored(self, history: list[EpochFigures]) -> None:
        self.history = list(history)
        self._on_scored()

    def warned(self, line: str) -> None:
        self.warnings.append(line)


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def said(stderr: str) -> list[str]:
    """Return the lines of standard error but for the progress bar."""
    return [line for line in stderr.splitlines() if line.strip() and not line.startswith("Training")]


def rows_of(folder: Path) -> list[dict[str, str]]:
    """Return metrics.csv without times, as text: equal means equal bit for bit."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [{name: text for name, text in row.items() if name not in TIMED} for row in csv.DictReader(file)]
