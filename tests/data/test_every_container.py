"""What FFmpeg can write here comes back: every frame, at its time, with its sound, from every container and codec."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from helpers.pyav import NoTimeError
from helpers.timed_media import beeps, copy, flashes, make, shown_at, times

CONTAINERS = (
    "3g2", "3gp", "asf", "avi", "dvd", "f4v", "flv", "ipod", "ismv", "ivf", "m4v", "matroska",
    "mov", "mp4", "mpeg", "mpegts", "mxf", "nut", "ogg", "psp", "svcd", "swf", "vcd", "vob", "webm", "wtv",
)  # fmt: skip
FAST = {"preset": "ultrafast", "bf": "2", "g": "12"}
CODECS: dict[str, dict[str, str]] = {
    "libx264": FAST,
    "mpeg4": {"bf": "2", "g": "12"},
    "mpeg2video": {"bf": "2", "g": "12"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "mjpeg": {},
    "ffv1": {},
    "flv": {},
    "wmv2": {},
}
SOUNDS = ("aac", "mp2", "libopus", "pcm_s16le", "pcm_s16be", "wmav2", None)
MILLISECOND = 0.0011
FIRST_AT_ZERO = {"avi"}  # formats that begin with their first frame, whatever its time


def written(path: Path, codec: str) -> list[Fraction] | None:
    """Write a video with two gaps and the first sound that fits; return its times, None if FFmpeg cannot write it."""
    start = Fraction(0) if path.suffix[1:] in FIRST_AT_ZERO else Fraction(16, 5)
    shown = times(36, start, without={7, 8, 20})
    moments = [start + Fraction(2, 5), start + 1]
    for audio in SOUNDS:
        try:
            make(path, shown, moments, codec=codec, audio=audio, format=path.suffix[1:], options=CODECS[codec])
        except (av.FFmpegError, ValueError, TypeError, NotImplementedError):
            continue
        return shown
    return None


def alone(path: Path) -> list[float]:
    """Return the times that PyAV alone reads; nothing where it cannot, or where they are none."""
    try:
        return shown_at(path)
    except (av.FFmpegError, NoTimeError, IndexError):
        return []


def since_first(shown: list[float]) -> list[float]:
    return [time - shown[0] for time in shown]


def differs(first: list[float], second: list[float]) -> bool:
    return len(first) != len(second) or any(abs(a - b) > MILLISECOND for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("container", CONTAINERS)
def test_what_is_written_comes_back_at_its_times_and_in_sync(tmp_path: Path, container: str) -> None:
    """Where FFmpeg itself keeps a time or loses it on the way into the file, it is what PyAV alone reads."""
    compared = 0
    for codec in CODECS:
        source, target = tmp_path / f"{codec}.{container}", tmp_path / "out.mkv"
        shown = written(source, codec)
        if shown is None or not (read := alone(source)):
            continue
        truth = since_first([float(time) for time in shown])
        writer = copy(source, target)
        found = shown_at(target)
        assert found[0] < 0.1
        assert len(found) == len(shown), codec
        assert all(later > earlier for earlier, later in pairwise(found)), codec
        if all(later > earlier for earlier, later in pairwise(read)):  # else the file holds no times of showing
            assert not differs(since_first(found), truth) or not differs(since_first(found), since_first(read)), codec
        compared += 1
        if writer.audio_left_out is None:
            assert off(target) == pytest.approx(off(source), abs=0.02), codec
    assert compared, f"FFmpeg here writes no {container} that it can read"


def off(path: Path) -> list[float]:
    """Return how much later each beep is than its flash, in seconds; nothing where FFmpeg cannot decode the sound."""
    try:
        return [beep - flash for beep, flash in zip(beeps(path), flashes(path), strict=True)]
    except (av.FFmpegError, IndexError):
        return []
