"""Passwords of cameras are in nothing that seg-run prints, and not in its files or their names."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from helpers.commands import run_command
from helpers.live_servers import file_server
from helpers.small_media import every, write_numbered

if TYPE_CHECKING:
    from conftest import Artefacts

SECRET = "s3cr@t/w:rd"


@pytest.mark.parametrize("secret", [SECRET, quote(SECRET, safe="")], ids=["as it is", "encoded"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["{address}", "-o", "{name}.jsonl"],
        ["{address}", "--debug"],
        ["{address}", "--start", "100"],
        ["{address}", "{address}"],
        ["{address}", "none.mp4", "-o", "out.mp4"],
        ["rtsp://admin:{secret}@127.0.0.1:1/x"],
        ["rtsp://admin:{secret}@[bad/x"],
        ["ftp://admin:{secret}@127.0.0.1/x"],
        ["srt://admin:{secret}@127.0.0.1:1?passphrase={secret}"],
        ["http://127.0.0.1:1/?password={secret}"],
        ["rtsp://127.0.0.1:1/user=admin_password={secret}"],
        ["none.mp4", "-o", "rtmp://admin:{secret}@127.0.0.1/x"],
    ],
    ids=" ".join,
)
def test_no_password_is_printed_or_written(
    artefacts: "Artefacts", tmp_path: Path, arguments: list[str], secret: str
) -> None:
    (tmp_path / "served").mkdir()
    video, work = tmp_path / "served" / "street.mkv", tmp_path / "work"
    work.mkdir()
    write_numbered(video, every(5))
    with file_server(video) as (address, _):
        address = address.replace("://", f"://admin:{secret}@")
        words = [word.replace("{address}", address).replace("{secret}", secret) for word in arguments]
        options = ("--timeout", "2", "--reconnect", "0", "--model", artefacts.onnx["fp16"])
        done = run_command("seg-run", *words, *options, cwd=work)
    shown = done.stdout + done.stderr + "".join(str(path) for path in tmp_path.rglob("*"))
    shown += "".join(path.read_text(errors="replace") for path in work.rglob("*") if path.is_file())
    for part in ("s3cr", "w:rd", "w%3Ard", "t/w", "admin:"):
        assert part not in shown
    assert "--debug" in words or "Traceback" not in done.stderr
