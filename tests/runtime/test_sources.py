"""What users may name as an input: files, patterns, folders of images, webcams and standard input."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from helpers.small_media import HEIGHT, PATIENCE, WIDTH, every, in_time, jpegs, numbered, write_numbered
from segdata.video.picture import Reformatter
from segdata.video.reader import Decoded, VideoReader
from segrun.options import RunOptions
from segrun.sources.image import ImageSource
from segrun.sources.live_clock import LiveClock
from segrun.sources.open import expand, is_live, name_of, open_source
from segrun.sources.webcam import WebcamSource

Refused = Callable[..., AbstractContextManager[None]]
OPTIONS = RunOptions(inputs=())


def rgb(item: Decoded) -> NDArray[np.uint8]:
    return Reformatter().picture(item.frame, item.display).to_rgb()


def test_patterns_become_the_files_that_match(tmp_path: Path, refused: Refused) -> None:
    for name in ("a10.mp4", "a2.mp4", "b.mkv", "odd[1].mp4", "odd1.mp4"):
        (tmp_path / name).touch()
    inputs = [f"{tmp_path}/a*.mp4", "0", "-", "rtsp://x/*?a=[1]", f"{tmp_path}/odd[1].mp4", f"{tmp_path}/none.mp4"]
    found = [f"{tmp_path}/a2.mp4", f"{tmp_path}/a10.mp4"]
    assert expand(inputs) == [*found, *inputs[1:]]
    assert expand([f"{tmp_path}/*.avi", inputs[0]]) == [f"{tmp_path}/*.avi", *found]
    with refused(r"\*\.avi: no file matches"):
        open_source(f"{tmp_path}/*.avi", OPTIONS)


@pytest.mark.parametrize(
    ("word", "name", "live"),
    [
        ("videos/street.front.mp4", "street.front", False),
        ("videos/street", "street", False),
        ("0", "webcam0", True),
        ("-", "stdin", False),
        ("rtsp://user:secret@cam.local:554/live/front?key=1", "front", True),
        ("https://server/videos/street.m3u8", "street", True),
        ("udp://@239.0.0.1:1234", "239.0.0.1", True),
        ("udp://:1234", "udp", True),
        ("http://[fe80::1]/", "fe80_1", True),
        ("http://server/a%20b:c.ts", "a_20b_c", True),
    ],
)
def test_outputs_are_named_for_the_input(word: str, name: str, live: bool) -> None:
    assert (name_of(word), is_live(word)) == (name, live)


def test_a_folder_is_named_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "drive.1").mkdir()
    monkeypatch.chdir(tmp_path / "drive.1")
    assert name_of(".") == name_of(f"{tmp_path}/drive.1/") == "drive.1"


@pytest.mark.parametrize("word", ["nowhere.mp4", "nowhere/", "nowhere.png"])
def test_what_is_not_there_is_refused(word: str, refused: Refused) -> None:
    with refused("no such file; need a video, a folder of images or videos, a webcam's number or an address"):
        open_source(word, OPTIONS)


@pytest.mark.parametrize("word", ["ftp://user:secret@server/x.mp4", "sftp://server/x", "s3://bucket/x.mp4"])
def test_an_address_of_another_kind_is_refused_by_its_scheme(word: str, refused: Refused) -> None:
    scheme = word.partition("//")[0]
    with refused(
        rf"^{scheme}//(server|bucket)/x.*: {scheme}// is not supported; need rtsp://, .* or the name of a file"
    ):
        open_source(word, OPTIONS)


def test_an_address_that_is_none_is_refused_without_its_password(refused: Refused) -> None:
    with refused(r"^rtsp://\[cam/street: not an address \(Invalid IPv6 URL\); need one like rtsp://camera/street"):
        name_of("rtsp://me:secret@[cam/street")


def test_a_file_named_by_a_number_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_numbered(Path("7.mkv"), every(5))
    Path("7.mkv").rename("7")
    source = open_source("7", OPTIONS)
    assert isinstance(source, VideoReader)
    source.close()
    assert (name_of("7"), is_live("7")) == ("7", False)


def gradient() -> NDArray[np.uint8]:
    """Return BGR of a size of its own, dark at the top, bluer to the right."""
    image = np.empty((40, 60, 3), np.uint8)
    image[..., 0] = np.linspace(60, 200, 60)
    image[..., 1] = np.linspace(60, 200, 40)[:, None]
    image[..., 2] = 90
    return image


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    image = gradient()
    kinds: dict[str, cv2.typing.MatLike] = {
        "2.png": image,
        "10.jpg": image,
        "1.PNG": image[..., 1],
        "3 16 bits.png": image.astype(np.uint16) * 257,
        "4 grey 16 bits.tif": image[..., 1].astype(np.uint16) * 257,
        "5 alpha.png": np.dstack([image, np.full((40, 60), 7, np.uint8)]),
        "6 ä.webp": image,
        "7.bmp": image,
    }
    for name, pixels in kinds.items():
        (folder / name).write_bytes(cv2.imencode(Path(name).suffix.lower(), pixels)[1].tobytes())
    (folder / "8 broken.png").write_bytes((folder / "2.png").read_bytes()[:20])
    (folder / "9 empty.jpg").touch()
    (folder / "notes.txt").touch()
    return folder


def test_a_folder_of_images_is_a_video(images: Path) -> None:
    source = open_source(str(images), OPTIONS)
    assert isinstance(source, ImageSource)
    assert (source.live, source.rate, source.expected_frames, source.audio) == (False, Fraction(25), 10, None)
    items = list(source.read())
    names = ["1", "2", "3 16 bits", "4 grey 16 bits", "5 alpha", "6 ä", "7", "10"]
    assert [item.name for item in items if isinstance(item, Decoded)] == names
    assert [item.seconds for item in items if isinstance(item, Decoded)] == [
        Fraction(index, 25) for index in (0, 1, 2, 3, 4, 5, 6, 9)
    ]
    assert source.corrupt_packets == 2
    for item in items:
        assert isinstance(item, Decoded)
        truth = gradient()[..., ::-1]
        if item.name in ("1", "4 grey 16 bits"):
            truth = np.repeat(truth[..., 1:2], 3, axis=2)
        assert np.abs(rgb(item).astype(int) - truth).mean() < 4, item.name


def test_images_of_one_name_keep_what_tells_them_apart(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "b.png"):
        (tmp_path / name).write_bytes(cv2.imencode(Path(name).suffix, gradient())[1].tobytes())
    assert [item.name for item in ImageSource.of_folder(tmp_path).read()] == ["a.jpg", "a.png", "b"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="has no file that cannot be read")
def test_an_image_that_cannot_be_read_is_skipped(images: Path) -> None:
    (images / "0.png").symlink_to("/proc/self/mem")
    source = ImageSource.of_folder(images)
    assert next(source.read()).name == "1"
    assert source.corrupt_packets == 1


def test_reading_can_begin_at_any_image(images: Path) -> None:
    source = ImageSource.of_folder(images)
    assert source.seek(Fraction(6, 25))
    assert [item.name for item in source.read()] == ["7", "10"]


def test_a_folder_without_images_is_refused(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "street.txt").touch()
    with refused("no images or videos in this folder; need images, some of bmp, jpeg"):
        open_source(str(tmp_path), OPTIONS)


@pytest.mark.parametrize("folder", [True, False], ids=["in a folder", "alone"])
def test_images_come_upright(tmp_path: Path, folder: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn right to see it so
    path = tmp_path / "upright.jpg"
    Image.fromarray(np.ascontiguousarray(np.rot90(gradient()[..., ::-1]))).save(path, exif=exif, quality=95)
    source = open_source(str(path.parent if folder else path), OPTIONS)
    (item,) = source.read()
    assert isinstance(item, Decoded)
    assert item.name == "upright"
    assert np.abs(rgb(item).astype(int) - gradient()[..., ::-1]).mean() < 4


@given(st.lists(st.none() | st.fractions(0, 100), max_size=20), st.sets(st.integers(0, 19)))
def test_live_times_always_go_on(times: list[Fraction | None], anew: set[int]) -> None:
    clock, found = LiveClock(), []
    for index, seconds in enumerate(times):
        if index in anew:
            clock.restart()
        found.append(clock.pts(seconds))
    assert found[:1] in ([], [0])
    assert all(later > earlier for earlier, later in pairwise(found))


@given(st.lists(st.integers(1, 900_000), min_size=1, max_size=20), st.integers(-(10**9), 10**9))
def test_live_times_that_make_sense_are_kept(gaps: list[int], start: int) -> None:
    pts = [start + sum(gaps[:count]) for count in range(len(gaps) + 1)]
    clock = LiveClock()
    assert [clock.pts(Fraction(when, 90_000)) for when in pts] == [when - start for when in pts]


def test_a_webcam_is_timed_by_when_its_frames_come(tmp_path: Path) -> None:
    """A file stands for the camera: OpenCV delivers both alike."""
    write_numbered(tmp_path / "camera.mkv", every(20), options={"bf": "0"})
    source = WebcamSource(str(tmp_path / "camera.mkv"))
    assert (source.live, source.rate, source.expected_frames) == (True, Fraction(25), None)
    items = in_time(lambda: list(source.read()))
    source.close()
    assert len(items) == 20
    assert items[0].pts == 0
    assert all(later.pts > earlier.pts for earlier, later in pairwise(items))
    brightness = [float(rgb(item).mean()) for item in items]
    assert all(later > earlier for earlier, later in pairwise(brightness))
    assert list(source.read()) == []


def test_no_such_webcam_is_said_and_nothing_else(capfd: pytest.CaptureFixture[str], refused: Refused) -> None:
    with refused("webcam 63: no such camera"):
        open_source("63", OPTIONS)
    assert capfd.readouterr().err == ""


READ_STANDARD_INPUT = """
import sys
from segdata.errors import InputError
from segdata.video.reader import Decoded
from segrun.sources.open import open_source
from segrun.options import RunOptions
from helpers.small_media import number_of
try:
    source = open_source("-", RunOptions(inputs=("-",), raw=sys.argv[1] or None))
    items = [item for item in source.read() if isinstance(item, Decoded)]
    print(*(number_of(item) for item in items))
    print(source.rate, source.live, items[0].frame.height, items[0].frame.width, source.corrupt_packets)
except InputError as error:
    print(error)
"""


def read_standard_input(content: bytes | Path, raw: str = "") -> list[str]:
    """Return what another Python finds on its standard input: a pipe, or a file where `content` is a Path."""
    command = [sys.executable, "-c", READ_STANDARD_INPUT, raw]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    keywords: dict[str, Any] = {"capture_output": True, "env": environment, "timeout": PATIENCE}
    if isinstance(content, Path):
        with content.open("rb") as file:
            done: subprocess.CompletedProcess[bytes] = subprocess.run(command, stdin=file, **keywords)
    else:
        done = subprocess.run(command, input=content, **keywords)
    assert done.stderr == b""
    return done.stdout.decode().splitlines()


NUMBERED = " ".join(str(number) for number in range(30))


@pytest.mark.parametrize("format", ["mpegts", "mjpeg", "matroska"])
def test_a_stream_on_standard_input_is_recognised(format: str) -> None:
    content = io.BytesIO()
    if format == "mjpeg":
        content.write(b"".join(jpegs(30)))
    else:
        write_numbered(content, every(30), format=format)
    assert read_standard_input(content.getvalue()) == [NUMBERED, f"25 False {HEIGHT} {WIDTH} 0"]


def test_a_file_as_standard_input_is_read(tmp_path: Path) -> None:
    write_numbered(tmp_path / "in.mp4", every(30))
    assert read_standard_input(tmp_path / "in.mp4") == [NUMBERED, f"25 False {HEIGHT} {WIDTH} 0"]


@pytest.mark.parametrize(("pixels", "word"), [("yuv420p", ":yuv420p@50"), ("rgb24", "@50"), ("bgr24", ":bgr24@50/1")])
def test_raw_frames_on_standard_input_are_read(pixels: str, word: str) -> None:
    frames = [numbered(number).reformat(format=pixels).to_ndarray().tobytes() for number in range(30)]
    found, facts = read_standard_input(b"".join(frames), f"{WIDTH}x{HEIGHT}{word}")
    assert facts == f"50 False {HEIGHT} {WIDTH} 0"
    # RGB and back rounds brightness by one, which is half a number
    assert np.abs(np.array(found.split(), int) - np.arange(30)).max() <= (0 if pixels == "yuv420p" else 1)


def test_half_a_raw_frame_is_not_shown() -> None:
    frame = numbered(0).to_ndarray().tobytes()
    found = read_standard_input(frame + frame[: len(frame) // 2], f"{WIDTH}x{HEIGHT}:yuv420p")
    assert found == ["0", f"25 False {HEIGHT} {WIDTH} 1"]


@pytest.mark.parametrize(
    "raw", ["640", "0x480", "640x480:nopixels", "640x480@", "640x480@fast", "640x480@0", "6x4@1.2.3"]
)
def test_raw_that_says_no_frame_is_refused(raw: str) -> None:
    assert read_standard_input(b"", raw) == [f"--raw {raw}: need WIDTHxHEIGHT[:FORMAT][@RATE], as 1280x720:yuv420p@25"]


def test_what_is_no_video_on_standard_input_is_refused() -> None:
    (line,) = read_standard_input(b"this is not a video\n" * 50)
    assert line.startswith("standard input: not a video FFmpeg can read")


def test_a_terminal_as_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    leader, follower = os.openpty()
    with os.fdopen(follower) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        with refused("-: nothing is piped to standard input"):
            open_source("-", OPTIONS)
    os.close(leader)
