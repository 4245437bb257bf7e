"""A part of a video: exactly the frames and the sound of that time, wherever the key frames lie."""

import io
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from helpers.small_media import NUMBERS, every, in_time, number_of, write_numbered
from segdata.video.reader import Decoded, VideoReader
from segrun.sources.excerpt import excerpt

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

COUNT = 300
LOSSLESS = {"bf": "0"}
B_FRAMES = {"preset": "fast", "bf": "3", "g": "40"}

MPEG = {"bf": "2", "g": "40", "b": "4000000"}

VIDEOS = {
    "cfr.mkv": (every(COUNT), "ffv1", LOSSLESS),
    "b.mp4": (every(COUNT), "libx264", B_FRAMES),
    "b.mkv": (every(COUNT), "libx264", B_FRAMES),
    "b.flv": (every(COUNT), "libx264", B_FRAMES),
    "one_key_frame.mp4": (every(COUNT), "libx264", {"preset": "fast", "bf": "3", "g": "1000"}),
    "one_key_frame.ts": (every(COUNT), "libx264", {"preset": "fast", "bf": "3", "g": "1000"}),
    "key_frames.ts": (every(COUNT), "libx264", B_FRAMES),
    "starts_late.ts": (every(COUNT, start=Fraction(20)), "libx264", B_FRAMES),
    "starts_late.mkv": (every(COUNT, start=Fraction(3)), "libx264", B_FRAMES),
    "program.mpg": (every(COUNT), "mpeg2video", MPEG),
    "vfr.mkv": ([Fraction(n, 50) + Fraction(n * n, 15000) for n in range(COUNT)], "libx264", B_FRAMES),
    "vfr.mp4": ([Fraction(n, 50) + Fraction(n * n, 15000) for n in range(COUNT)], "libx264", B_FRAMES),
    "b.mov": (every(COUNT), "libx264", B_FRAMES),
    "b.avi": (every(COUNT), "libx264", B_FRAMES),
    "mpeg4.avi": (every(COUNT), "mpeg4", MPEG),
    "mpeg2.ts": (every(COUNT), "mpeg2video", MPEG),
    "vp9.webm": (every(COUNT), "libvpx-vp9", {"g": "40", "lossless": "1", "deadline": "realtime"}),
    "no_times.h264": (every(COUNT), "libx264", {"bf": "0", "g": "40"}),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("excerpts")
    for name, (times, codec, options) in VIDEOS.items():
        write_numbered(folder / name, times, codec=codec, options=options)
    return folder


def truth(path: Path, start: float, duration: float | None, step: int) -> list[tuple[int, Fraction]]:
    """Return what reading all of it and choosing afterwards gives."""
    with VideoReader(path) as reader:
        shown = [(number_of(item), item.seconds, item.seconds - reader.starts_at) for item in reader.frames()]
    end = None if duration is None else Fraction(str(start)) + Fraction(str(duration))
    chosen = [
        (number, seconds)
        for number, seconds, since in shown
        if (start == 0 or since >= Fraction(str(start))) and (end is None or since < end)
    ]
    return chosen[::step]


def taken(path: Path, start: float, duration: float | None, step: int) -> list[tuple[int, Fraction]]:
    with VideoReader(path) as reader:
        items = in_time(lambda: list(excerpt(reader, start, duration, step)))
    return [(number_of(item), item.seconds) for item in items if isinstance(item, Decoded)]


@pytest.mark.parametrize("name", VIDEOS)
def test_every_frame_of_the_time_and_no_other_is_taken(videos: Path, name: str) -> None:
    whole = truth(videos / name, 0, None, 1)
    assert [number for number, _ in whole] == [number % NUMBERS for number in range(COUNT)]
    for start, duration, step in (
        (1.6, 0.8, 1),
        (1.64, None, 1),
        (0.04, 1.0, 3),
        (3.9, 9.0, 1),
        (0, 0.2, 2),
        (3.4, None, 1),
        (3.0, 0.4, 1),
    ):
        expected = truth(videos / name, start, duration, step)
        assert expected
        assert taken(videos / name, start, duration, step) == expected


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(VIDEOS)),
    start=st.integers(0, 1250).map(lambda hundredths: hundredths / 100),
    duration=st.none() | st.integers(1, 300).map(lambda hundredths: hundredths / 100),
    step=st.integers(1, 7),
)
@example(name="program.mpg", start=6.72, duration=None, step=1)
def test_it_is_what_reading_all_and_choosing_gives(
    videos: Path, name: str, start: float, duration: float | None, step: int
) -> None:
    assert taken(videos / name, start, duration, step) == truth(videos / name, start, duration, step)


@pytest.mark.parametrize("name", VIDEOS)
def test_a_start_beyond_the_end_gives_nothing(videos: Path, name: str) -> None:
    assert taken(videos / name, 1000.0, 1.0, 1) == []


def test_a_start_as_typed_is_a_frames_time() -> None:
    """As a float, 0.28 is a little more than 7/25: frame 7 would be left out."""
    assert Fraction(0.28) > Fraction(7, 25)
    content = io.BytesIO()
    write_numbered(content, every(20), format="matroska", codec="ffv1")
    content.seek(0)
    with VideoReader(content) as reader:
        first = next(iter(excerpt(reader, 0.28, None, 1)))
    assert isinstance(first, Decoded)
    assert number_of(first) == 7


class Pipe(io.RawIOBase):
    """A file that cannot seek."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        return self._content.readinto(buffer)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("name", ["key_frames.ts", "b.mkv", "b.flv", "program.mpg"])
def test_a_pipe_is_read_through_to_the_start(videos: Path, name: str) -> None:
    content = (videos / name).read_bytes()
    with VideoReader(io.BufferedReader(Pipe(content))) as reader:
        items = in_time(lambda: list(excerpt(reader, 1.5, 1.0, 1)))
    expected = [number for number, _ in truth(videos / name, 1.5, 1.0, 1)]
    assert len(expected) == 25
    assert [number_of(item) for item in items if isinstance(item, Decoded)] == expected


@pytest.mark.parametrize("name", ["sound.mp4", "sound.ts", "sound.mkv"])
@pytest.mark.parametrize(("start", "duration"), [(1.0, 1.0), (0.0, 0.5), (2.5, None)])
def test_sound_of_the_time_is_taken_whole(tmp_path: Path, name: str, start: float, duration: float | None) -> None:
    write_numbered(tmp_path / name, every(COUNT), options=B_FRAMES, sound=True)
    with VideoReader(tmp_path / name) as reader:
        begin = reader.starts_at + Fraction(str(start))
        end = begin + Fraction(str(duration or 1000))
        every_time = [item.pts * item.time_base for item in reader.read() if not isinstance(item, Decoded)]
    expected = [seconds for seconds in every_time if (start == 0 or seconds >= begin) and seconds < end]
    with VideoReader(tmp_path / name) as reader:
        items = in_time(lambda: list(excerpt(reader, start, duration, 1)))
    found = [item.pts * item.time_base for item in items if not isinstance(item, Decoded)]
    assert len(found) > 15
    assert found == expected
