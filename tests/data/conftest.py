"""Fixtures for the tests of `prepare`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.prepare_runs import SIZES, TOTAL, VAL, run
from segdata.options import PrepareOptions

WritePair = Callable[..., None]


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory, write_pair: WritePair) -> Path:
    """3 frames to train on and 10 of val, 256x128, in the pairs layout."""
    folder = tmp_path_factory.mktemp("source") / "streets"
    for split, count in (("train", TOTAL - VAL), ("val", VAL)):
        for index in range(count):
            write_pair(folder / split, f"{index:04}", seed=100 * len(split) + index, height=128, width=256)
    return folder


@pytest.fixture(scope="module")
def prepared(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`streets` at SIZES."""
    target = tmp_path_factory.mktemp("prepared") / "streets"
    run(PrepareOptions(source=streets, target=target, sizes=SIZES))
    return target
