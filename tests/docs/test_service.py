"""The blocks of docs/service.md run as they are."""

import json
import struct
import threading
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from helpers.docs_pages import DOCS, python_blocks
from helpers.triton_server import triton_server
from segdata.shipped import shipped_onnx
from segdata.synth import scene

BLOCKS = python_blocks(DOCS / "service.md")


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the page names."""
    (tmp_path / "photos").mkdir()
    for seed, name in enumerate(("street.jpg", "photos/a.jpg", "photos/b.jpg", "photos/c.jpg")):
        cv2.imwrite(str(tmp_path / name), scene(seed, 192, 320).image[..., ::-1])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(word: str, instead: tuple[str, str] = ("", "")) -> dict[str, Any]:
    """Run the one block that has `word` in it; returns its names."""
    (block,) = (block for block in BLOCKS if word in block)
    assert instead[0] in block
    names: dict[str, Any] = {"__name__": "service"}
    exec(compile(block.replace(*instead) if instead[0] else block, f"service.md, {word}", "exec"), names)
    return names


def test_every_block_is_run_below() -> None:
    assert len(BLOCKS) == 5


@pytest.mark.usefixtures("street")
def test_an_image_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    found = run("json.dumps")["found"]
    assert found.labels.shape == (192, 320)
    assert "(192, 320)" in capsys.readouterr().out


@pytest.mark.usefixtures("street")
@pytest.mark.parametrize("word", ["ThreadPoolExecutor", "asyncio"])
def test_many_come_in_their_order(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(word)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["a.jpg", "b.jpg", "c.jpg"]


def too_large() -> bytes:
    """Return a PNG whose header says 100,000 pixels a side."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + struct.pack(">I", zlib.crc32(header))


def test_the_web_service_answers_over_http(street: Path) -> None:
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("fastapi")
    config = uvicorn.Config(run("FastAPI")["app"], port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/segment"
        with urllib.request.urlopen(address, (street / "street.jpg").read_bytes(), timeout=60) as answer:
            shares = json.loads(answer.read())
        assert sum(shares.values()) == pytest.approx(1)
        photo = (street / "street.jpg").read_bytes()
        for body in (b"no picture", photo[:2000], photo[:20], too_large()):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(address, body, timeout=60)
            assert caught.value.code == 422
            assert json.loads(caught.value.read())["detail"]
            caught.value.close()
    finally:
        server.should_exit = True
        thread.join(60)


@pytest.mark.usefixtures("street")
def test_the_client_of_triton_gets_labels(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tritonclient.http")
    with triton_server(shipped_onnx(256)[1]) as address:
        labels = run("tritonclient", ("localhost:8000", address))["labels"]
    assert (labels.shape, labels.dtype) == ((1, 256, 256), np.uint8)
    assert len(np.unique(labels)) > 3
    assert "(1, 256, 256)" in capsys.readouterr().out
