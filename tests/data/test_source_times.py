"""Whatever a file's clock does, pictures and sound come out at the right times, for each kind of file."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from helpers.timed_media import beeps, copy, flashes, make, shown_at, times

HOUR = 3600
TICKS = 90_000  # a second of MPEG-TS
WRAP = 1 << 33
OUTPUTS = ("mp4", "mkv", "avi", "mov")


def moved(stream: bytes, seconds: float) -> bytes:
    """Return a transport stream whose clock says `seconds` more, in its 33 bits."""
    moved = bytearray(stream)
    by = round(seconds * TICKS)
    for start in range(0, len(moved), 188):
        packet = memoryview(moved)[start : start + 188]
        payload = 4
        if packet[3] & 0x20:
            payload += 1 + packet[4]
            if packet[4] and packet[5] & 0x10:  # the clock reference
                clock = (int.from_bytes(packet[6:10], "big") << 1 | packet[10] >> 7) + by
                packet[6:10] = ((clock % WRAP) >> 1).to_bytes(4, "big")
                packet[10] = (clock & 1) << 7 | packet[10] & 0x7F
        begins = packet[1] & 0x40 and packet[3] & 0x10 and bytes(packet[payload : payload + 3]) == b"\0\0\1"
        if begins and (packet[payload + 3] >= 0xC0 or packet[payload + 3] == 0xBD):
            for place in range((0, 0, 1, 2)[packet[payload + 7] >> 6]):
                _add(packet[payload + 9 + 5 * place : payload + 14 + 5 * place], by)
    return bytes(moved)


def _add(field: memoryview, by: int) -> None:
    """Add to a time in the 5 bytes of a PES header."""
    time = (field[0] >> 1 & 7) << 30 | field[1] << 22 | (field[2] >> 1) << 15 | field[3] << 7 | field[4] >> 1
    time = (time + by) % WRAP
    field[0] = field[0] & 0xF1 | (time >> 30) << 1
    field[1], field[2] = time >> 22 & 0xFF, (time >> 15 & 0x7F) << 1 | 1
    field[3], field[4] = time >> 7 & 0xFF, (time & 0x7F) << 1 | 1


def recording(folder: Path, seconds: Fraction = Fraction(2), sound: Fraction | None = None) -> bytes:
    path = folder / "part.ts"
    make(path, times(int(seconds * 25)), [Fraction(1)], audio="ac3", seconds=sound, options={"preset": "ultrafast"})
    return path.read_bytes()


def off(path: Path) -> list[float]:
    return list(np.subtract(beeps(path), flashes(path)))


CLOCKS: dict[str, Sequence[float]] = {
    "six recordings": [0, 0, 0, 0, 0, 0],
    "forward by 8 hours": [0, 8 * HOUR],
    "forward by 25 hours": [0, 25 * HOUR],
    "back by an hour": [2 * HOUR, HOUR],
    "forward and back": [0, 9 * HOUR, 10],
    "the 33 bits are over": [WRAP / TICKS - 2, 0],
    "begins at 50,000 seconds": [50_000],
    "begins below zero": [WRAP / TICKS - 3],
}


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("clocks", CLOCKS.values(), ids=CLOCKS)
def test_recordings_go_on_in_sync_whatever_their_clocks_say(
    tmp_path: Path, clocks: Sequence[float], output: str
) -> None:
    part = recording(tmp_path, sound=Fraction(17, 10))
    source, target = tmp_path / "in.ts", tmp_path / f"out.{output}"
    source.write_bytes(b"".join(moved(part, clock) for clock in clocks))
    copy(source, target)
    shown = shown_at(target)
    assert len(shown) == 50 * len(clocks)
    assert shown[0] < 0.1
    assert np.diff(shown) == pytest.approx(0.04, abs=0.002)
    assert off(target) == pytest.approx(off(tmp_path / "part.ts") * len(clocks), abs=0.05)


def test_an_mp4_hides_nothing_by_its_edit_list(tmp_path: Path) -> None:
    (tmp_path / "in.ts").write_bytes(moved(recording(tmp_path), WRAP / TICKS - 3))
    copy(tmp_path / "in.ts", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4"), options={"ignore_editlist": "1"}) as container:
        assert sum(1 for packet in container.demux(video=0) if packet.size) == len(shown_at(tmp_path / "out.mp4")) == 50


@pytest.mark.parametrize("output", OUTPUTS)
def test_b_frames_in_avi_are_shown_in_even_steps(tmp_path: Path, output: str) -> None:
    source, target = tmp_path / "in.avi", tmp_path / f"out.{output}"
    make(source, times(75), [Fraction(1), Fraction(2)], audio="ac3", options={"preset": "fast", "bf": "3"})
    copy(source, target)
    shown = shown_at(target)
    assert len(shown) == 75
    assert np.diff(shown) == pytest.approx(0.04, abs=0.002)
    assert off(target) == pytest.approx([0, 0], abs=0.04)


def test_times_that_are_those_of_the_frame_before_cost_one_frame(tmp_path: Path) -> None:
    """Every 10th block of a Matroska file is given the time of the one before it."""
    source, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    make(source, times(200), [Fraction(5)], codec="mjpeg", audio="ac3")
    content = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    for number in range(10, 200, 10):
        at = content.index(bytes(packets[number])) - 4  # track, two bytes of time, flags
        time = int.from_bytes(content[at + 1 : at + 3], "big", signed=True) - 40
        if time >= 0:  # of its cluster
            content[at + 1 : at + 3] = time.to_bytes(2, "big", signed=True)
    source.write_bytes(content)
    assert any(later == earlier for earlier, later in pairwise(shown_at(source)))
    copy(source, target)
    assert shown_at(target) == pytest.approx([number / 25 for number in range(200)], abs=0.0011)
    assert off(target) == pytest.approx(off(source), abs=0.02)


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_picture_that_stands_still_for_hours_does_not_end_the_process(tmp_path: Path, output: str) -> None:
    """FFmpeg ends it where a sample of an MP4 lasts longer than 2**31 ticks."""
    source, target = tmp_path / "in.mkv", tmp_path / f"out.{output}"
    shown = [Fraction(0), Fraction(1, 25), Fraction(3000), Fraction(9 * HOUR)]
    make(source, shown, [Fraction(3000)], audio=None, codec="mjpeg")
    copy(source, target)
    assert shown_at(target)[-1] < 9 * HOUR
    assert len(flashes(target)) == 1
