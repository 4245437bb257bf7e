"""Inputs of seg-run: odd names, pipes, addresses, photos, folders, and one with an unexpected error."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.children import child
from helpers.commands import run_command
from helpers.live_servers import Play, file_server
from helpers.rtsp_server import encoded, rtsp_camera
from helpers.small_media import Unseekable, every, write_numbered
from segrun.options import RunOptions
from segrun.sources import open as sources
from segrun.sources.base import Source, SourceKind

if TYPE_CHECKING:
    from conftest import Artefacts

COMMAND = Path(sys.executable).parent / "seg-run"
PATIENCE = 60  # seconds after which a run counts as hung


@pytest.fixture
def seg_run(artefacts: "Artefacts", tmp_path: Path) -> "SegRun":
    return SegRun(artefacts.onnx["int8"], tmp_path)


class SegRun:
    """Runs seg-run with a small model in one folder."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.model, self.folder = model, folder

    def __call__(self, *words: str, stdin: IO[bytes] | None = None) -> "subprocess.CompletedProcess[str]":
        done = run_command("seg-run", *words, "--model", self.model, cwd=self.folder, stdin=stdin)
        assert "Traceback" not in done.stderr
        return done

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


def frames(path: Path) -> int:
    with av.open(str(path.absolute())) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.fixture
def surprising(monkeypatch: pytest.MonkeyPatch) -> None:
    """The input `odd` is a fault of ours."""

    def surprise(word: str, options: RunOptions) -> Source:
        raise ZeroDivisionError("a division\nby zero")

    kind = SourceKind(lambda word: word == "odd", surprise, lambda word: word)
    monkeypatch.setattr(sources, "KINDS", (kind, *sources.KINDS))


@pytest.mark.usefixtures("surprising")
@pytest.mark.parametrize("words", [["odd"], ["odd", "good.mp4"], ["none*.mp4", "good.mp4"], ["ftp://x/y", "good.mp4"]])
def test_a_surprise_is_one_line_and_the_next_input_has_its_turn(seg_run: SegRun, words: list[str]) -> None:
    write_numbered(seg_run.folder / "good.mp4", every(5))
    done = seg_run(*words)
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    if words[0] == "odd":
        assert errors[0].startswith("Error: odd: ZeroDivisionError (a division by zero), which is a fault of edgeseg")
    if len(words) == 1:
        assert (done.returncode, len(errors)) == (1, 1)
    else:
        assert (done.returncode, len(errors)) == (7, 2)
        assert "5 frames read = 5 shown" in done.stdout
        assert seg_run.files() == ["good.mp4", "good.seg.mp4"]


@pytest.mark.usefixtures("surprising")
def test_debug_shows_where_a_surprise_came_from(seg_run: SegRun) -> None:
    done = run_command("seg-run", "odd", "--debug", "--model", seg_run.model)
    assert re.search(r" in surprise\n.*\nZeroDivisionError: a division", done.stderr, re.DOTALL)


@pytest.mark.parametrize(
    "name",
    ["2021-01-01T12:30:00.mp4", "-dash.mp4", "100%d.mp4", "{name}.mp4", "{0}.mkv", "X.MP4", "a[1].mp4", "ä ö.mkv", "7"],
)
@pytest.mark.parametrize("output", [None, "{name}:1.mp4", "{name}.GIF", "{name}.JSONL", "-{name}%03d.MKV"])
def test_odd_names_are_names(seg_run: SegRun, name: str, output: str | None) -> None:
    write_numbered(seg_run.folder / "in.mkv", every(5))
    (seg_run.folder / "in.mkv").rename(seg_run.folder / name)
    done = seg_run(name, *(["-o", output] if output else []))
    assert done.returncode == 0, done.stderr
    target = (output or "{name}.seg.mp4").replace("{name}", Path(name).stem)
    assert seg_run.files() == sorted([name, target])
    path = seg_run.folder / target
    assert (path.read_bytes().count(b"\n") if target.endswith(".JSONL") else frames(path)) == 5


def test_a_name_that_is_not_utf_8_is_a_name(seg_run: SegRun) -> None:
    name = os.fsdecode(b"caf\xe9.mkv")  # as Latin-1 had it
    write_numbered(seg_run.folder / "in.mkv", every(2))
    try:
        (seg_run.folder / "in.mkv").rename(seg_run.folder / name)
    except OSError:
        pytest.skip("names are UTF-8 here")
    done = seg_run(name, "-o", "{name}.jsonl")
    assert done.returncode == 0, done.stderr
    assert seg_run.files() == sorted([name, name.replace(".mkv", ".jsonl")])
    assert done.stdout.splitlines()[-1] == name.replace(".mkv", ".jsonl")


def test_an_unknown_option_is_still_one(seg_run: SegRun) -> None:
    done = seg_run("-dash.mp4")
    assert done.returncode == 2
    assert "No such option" in done.stderr


@pytest.mark.parametrize("way", ["-", "/dev/stdin", "<()", "fifo", "file://", "<"])
@pytest.mark.parametrize("name", ["in.ts", "faststart.mp4", "index-at-end.mp4"])
def test_pipes_are_read_or_it_is_said_why_not(seg_run: SegRun, way: str, name: str) -> None:
    video = seg_run.folder / name
    write_numbered(video, every(30), fast_start=name != "index-at-end.mp4")
    if way == "<()":
        line = f"exec '{COMMAND}' <(cat {name}) -o o.jsonl --model '{seg_run.model}'"
        done = subprocess.run(
            ["bash", "-c", line], cwd=seg_run.folder, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    elif way == "fifo":
        os.mkfifo(seg_run.folder / "pipe.fifo")
        writer = threading.Thread(target=_write, args=(seg_run.folder / "pipe.fifo", video.read_bytes()))
        writer.start()
        done = seg_run("pipe.fifo", "-o", "o.jsonl")
        writer.join()
    elif way == "file://":
        done = seg_run(video.as_uri(), "-o", "o.jsonl")
    elif way == "<":
        with video.open("rb") as file:
            done = seg_run("-", "-o", "o.jsonl", stdin=file)
    else:
        with child(["cat", video], stdout=subprocess.PIPE) as cat:
            done = seg_run(way, "-o", "o.jsonl", stdin=cat.stdout)
    if name == "index-at-end.mp4" and way not in ("file://", "<"):
        assert done.returncode == 3
        assert done.stderr.endswith(
            ": an MP4 with its index at its end cannot be read from a pipe; name the file or redirect it with <\n"
        )
        assert done.stderr.count("\n") == 1
    else:
        assert done.returncode == 0, done.stderr
        assert (seg_run.folder / "o.jsonl").read_bytes().count(b"\n") == 30


def _write(fifo: Path, content: bytes) -> None:
    try:
        fifo.write_bytes(content)
    except BrokenPipeError:  # it was refused after a look at its beginning
        return


@pytest.mark.parametrize("scheme", ["ftp", "sftp", "mms", "srt", "s3"])
def test_an_address_that_is_not_read_is_refused_in_one_line(seg_run: SegRun, scheme: str) -> None:
    done = seg_run(f"{scheme}://127.0.0.1:1/x.mp4")
    assert done.returncode == 3
    assert done.stderr.startswith(f"Error: {scheme}://127.0.0.1:1/x.mp4: ")
    assert done.stderr.count("\n") == 1


def test_an_output_is_no_address(seg_run: SegRun) -> None:
    write_numbered(seg_run.folder / "in.mp4", every(5))
    done = seg_run("in.mp4", "-o", "rtmp://server/live")
    assert done.returncode == 3
    assert "rtmp://server/live: results go to files, not to addresses" in done.stderr
    assert seg_run.files() == ["in.mp4"]


@pytest.mark.parametrize("ranges", [True, False], ids=["with ranges", "without ranges"])
@pytest.mark.parametrize("name", ["pipe.mkv", "pipe.ts"])
def test_a_file_on_a_server_that_declares_no_duration_is_read_once_to_its_end(
    seg_run: SegRun, name: str, ranges: bool
) -> None:
    stream = Unseekable()
    write_numbered(stream, every(75), format="matroska" if name.endswith(".mkv") else "mpegts")
    (seg_run.folder / "served").mkdir()
    path = seg_run.folder / "served" / name
    path.write_bytes(stream.getvalue())
    with file_server(path, ranges=ranges) as (address, _):
        done = seg_run(address, "-o", "o.jsonl")
    assert done.returncode == 0, done.stderr
    assert "75 frames read = 75 shown + 0 dropped" in done.stdout
    assert (seg_run.folder / "o.jsonl").read_bytes().count(b"\n") == 75


@pytest.mark.parametrize("ranges", [True, False], ids=["with ranges", "without ranges"])
def test_a_download_that_breaks_goes_on_or_ends_with_one_line(seg_run: SegRun, ranges: bool) -> None:
    (seg_run.folder / "served").mkdir()
    path = seg_run.folder / "served" / "in.mkv"
    write_numbered(path, every(1000))
    with file_server(path, ranges=ranges, drops=2) as (address, _):
        done = seg_run(address, "-o", "o.jsonl")
    lines = (seg_run.folder / "o.jsonl").read_bytes().count(b"\n")
    if ranges:
        assert (done.returncode, lines) == (0, 1000), done.stderr
    else:
        assert done.returncode == 3
        assert "broke off" in done.stderr
        assert done.stderr.count("Error") == 1
        assert 0 < lines < 1000


def test_the_frames_that_a_camera_sends_at_once_are_all_shown(seg_run: SegRun) -> None:
    with rtsp_camera([Play(encoded(60))]) as (address, _):
        done = seg_run(address, "--reconnect", "0", "-o", "o.jsonl")
    assert done.returncode == 0, done.stderr
    assert "60 frames read = 60 shown + 0 dropped" in done.stdout


SUFFIXES = ("jpg", "png", "webp", "bmp", "tiff", "JPEG")


def photo(size: tuple[int, int] = (48, 64)) -> NDArray[np.uint8]:
    """Return BGR, dark at the top, bluer to the right."""
    image = np.full((*size, 3), 90, np.uint8)
    image[..., 0] = np.linspace(60, 200, size[1])
    image[..., 1] = np.linspace(60, 200, size[0])[:, None]
    return image


def write_photo(path: Path, behind: bytes = b"") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix.lower(), photo())[1].tobytes() + behind)


def error_of(path: Path) -> float:
    """Return how far a picture is from the photo, on average, and that it has its size."""
    found = cv2.imread(str(path))
    assert found is not None
    assert found.shape == photo().shape
    return float(np.abs(found.astype(int) - photo()).mean())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_photo_gives_a_photo(seg_run: SegRun, suffix: str) -> None:
    write_photo(seg_run.folder / f"one.{suffix}")
    done = seg_run(f"one.{suffix}", "--alpha", "0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"one.seg.{suffix}"
    assert seg_run.files() == sorted([f"one.seg.{suffix}", f"one.{suffix}"])
    assert error_of(seg_run.folder / f"one.seg.{suffix}") < 4


@pytest.mark.parametrize(("view", "size"), [("overlay", (48, 64)), ("mask", (48, 64)), ("side-by-side", (48, 128))])
def test_an_image_obeys_the_view(seg_run: SegRun, view: str, size: tuple[int, int]) -> None:
    write_photo(seg_run.folder / "one.png")
    done = seg_run("one.png", "-o", "{name}.jpg", "--view", view)
    assert done.returncode == 0, done.stderr
    found = cv2.imread(str(seg_run.folder / "one.jpg"))
    assert found is not None
    assert found.shape[:2] == size
    assert (np.abs(found[:, :64].astype(int) - photo()).mean() < 4) == (view == "side-by-side")


def test_a_folder_of_images_gives_a_folder_of_images(seg_run: SegRun) -> None:
    names = [f"{number}.{suffix}" for number, suffix in enumerate(SUFFIXES)]
    for name in [*names, "same.jpg", "same.png"]:
        write_photo(seg_run.folder / "photos" / name)
    done = seg_run("photos", "--alpha", "0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "photos.seg"
    results = seg_run.folder / "photos.seg"
    assert sorted(path.name for path in results.iterdir()) == sorted([*names, "same.jpg", "same.png"])
    assert all(error_of(path) < 4 for path in results.iterdir())
    before = {path.name: path.read_bytes() for path in (seg_run.folder / "photos").iterdir()}
    again = seg_run("photos", "-o", "photos/{name}.png")
    assert again.returncode == 3
    assert "as input and as output" in again.stderr
    assert all((seg_run.folder / "photos" / name).read_bytes() == content for name, content in before.items())


def test_images_of_a_folder_go_where_a_pattern_says(seg_run: SegRun) -> None:
    for name in ("a.jpg", "b.png"):
        write_photo(seg_run.folder / "photos" / name)
    for output in ("out/{name}.webp", "{name}/{frame}.bmp"):
        assert seg_run("photos", "-o", output).returncode == 0
    made = [name for name in seg_run.files() if not name.endswith((".jpg", ".png"))]
    assert made == ["out/a.webp", "out/b.webp", "photos/a.bmp", "photos/b.bmp"]
    refused = seg_run("photos", "-o", "one.jpg")
    assert refused.returncode == 3
    assert "got another frame for one.jpg; put {frame} into the name" in refused.stderr


def test_frames_of_a_video_are_images_if_they_have_names(seg_run: SegRun) -> None:
    write_numbered(seg_run.folder / "in.mp4", every(3))
    assert seg_run("in.mp4", "-o", "{name}/{frame}.jpg").returncode == 0
    assert seg_run.files() == ["in.mp4", "in/000000.jpg", "in/000001.jpg", "in/000002.jpg"]
    refused = seg_run("in.mp4", "-o", "in.jpg")
    assert refused.returncode == 3
    assert "got one image in.jpg for a video; put {frame} into its name" in refused.stderr


def test_a_folder_of_videos_is_its_videos(seg_run: SegRun) -> None:
    for name in ("clips/b.MP4", "clips/a10.mkv", "clips/a2.ts", "clips/old.seg.mp4"):
        path = seg_run.folder / name
        path.parent.mkdir(exist_ok=True)
        write_numbered(path, every(3))
    (seg_run.folder / "clips" / "notes.txt").touch()
    done = seg_run("clips", "-o", "out/{name}.jsonl")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if "out/" in line] == [
        f"out/{n}.jsonl" for n in ("a2", "a10", "b")
    ]
    write_photo(seg_run.folder / "clips" / "photo.jpg")
    both = seg_run("clips")
    assert both.returncode == 0, both.stderr
    assert {name for name in seg_run.files() if ".seg" in name and "old" not in name} == {
        "a2.seg.mp4", "a10.seg.mp4", "b.seg.mp4", "clips.seg/photo.jpg",
    }  # fmt: skip


def test_a_motion_photo_is_a_photo(seg_run: SegRun) -> None:
    write_numbered(seg_run.folder / "motion.mp4", every(5))
    write_photo(seg_run.folder / "photo.jpg", behind=(seg_run.folder / "motion.mp4").read_bytes())
    done = seg_run("photo.jpg", "--alpha", "0")
    assert done.returncode == 0, done.stderr
    assert error_of(seg_run.folder / "photo.seg.jpg") < 4
