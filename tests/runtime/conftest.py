"""Fixtures for the tests of TensorRTRunner and of the preview."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.engine_files import toy_spec, write_engine
from helpers.live_preview import Serve, left_open, opened, watched
from helpers.toy_engine import HEIGHT, WIDTH
from segrun.preview.sink import PreviewSink


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_engine(tmp_path_factory.mktemp("engine") / "toy.fp32.sm75.engine", toy_spec(HEIGHT, WIDTH))


@pytest.fixture(scope="module")
def rtx_engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("engine") / "toy.fp32.sm75.engine"
    return write_engine(path, toy_spec(HEIGHT, WIDTH), flavour="tensorrt-rtx")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Opens previews on free ports; closes them afterwards and checks that nothing is left."""
    before = left_open()
    sinks = []

    def serve(address: str = "127.0.0.1:0", token: str | None = None) -> PreviewSink:
        sinks.append(opened(address, token))
        return sinks[-1]

    yield serve
    for sink in sinks:
        watched(sink.finish)
    assert left_open() == before
