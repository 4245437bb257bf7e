"""Fixtures for the tests of `bench`."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import segbench.measure.contender
from helpers.bench_runs import options_for, quietly
from segbench.results import BenchReport
from segdata.dataset.dataset import Dataset

if TYPE_CHECKING:
    from conftest import Artefacts


@pytest.fixture(scope="session")
def report(artefacts: "Artefacts", dataset: Dataset, street_video: Path) -> BenchReport:
    """All of it real."""
    return quietly(options_for(artefacts, street_video, data=dataset.folder))


@pytest.fixture
def unweighed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is measured in a process of its own, which takes a second an artefact."""
    monkeypatch.setattr(segbench.measure.contender, "peak_memory_mb", lambda path, runner: None)


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test fails if anything is timed."""

    def timed(*_: object) -> None:
        raise AssertionError("timed")

    for name in ("warm_up", "engine_rate", "latencies", "end_to_end", "peak_memory_mb"):
        monkeypatch.setattr(segbench.measure.contender, name, timed)
