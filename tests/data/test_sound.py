"""Sound is copied if the file can hold it, encoded on request, and otherwise left out with the true reason."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from helpers.timed_media import beeps, copy, flashes, make, shown_at, times
from segdata.video.reader import Decoded, VideoReader

SECONDS = Fraction(2)
MOMENTS = [Fraction(2, 5), Fraction(7, 5)]


def packets(path: Path) -> bytes:
    with av.open(str(path)) as container:
        return b"".join(bytes(packet) for packet in container.demux(audio=0) if packet.size)


def codec(path: Path) -> str | None:
    with av.open(str(path)) as container:
        return container.streams.audio[0].codec_context.codec.canonical_name if container.streams.audio else None


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi"])
def test_aac_of_a_transport_stream_is_copied(tmp_path: Path, suffix: str) -> None:
    source, target = tmp_path / "in.ts", tmp_path / f"out.{suffix}"
    make(source, times(50, 1), [moment + 1 for moment in MOMENTS], audio="aac")
    assert copy(source, target).audio_left_out is None
    assert len(shown_at(target)) == 50
    assert codec(target) == "aac"
    with av.open(str(target)) as container:
        stream = container.streams.audio[0]
        assert len(stream.codec_context.extradata or b"") >= 2  # in the file, and not in each packet
        assert next(bytes(packet)[:1] for packet in container.demux(stream)) != b"\xff"
    assert np.subtract(beeps(target), flashes(target)) == pytest.approx([0, 0], abs=0.03)


@pytest.mark.parametrize(
    ("kind", "source", "target"),
    [
        ("mp2", "ts", "mkv"),
        ("mp2", "ts", "mp4"),
        ("mp3", "mkv", "mp4"),
        ("ac3", "ts", "mp4"),
        ("eac3", "mkv", "mp4"),
        ("pcm_mulaw", "mov", "mkv"),
        ("pcm_mulaw", "avi", "mkv"),
        ("pcm_alaw", "mov", "mkv"),
        ("pcm_s16be", "mov", "mkv"),
        ("pcm_s24le", "mov", "mkv"),
        ("pcm_f32le", "mkv", "mov"),
        ("libopus", "mkv", "mp4"),
        ("vorbis", "mkv", "mp4"),
        ("flac", "mkv", "mp4"),
        ("alac", "mp4", "mkv"),
        ("adpcm_ms", "avi", "mkv"),
        ("wmav2", "avi", "mkv"),
        ("wavpack", "mkv", "mkv"),
    ],
)
def test_sound_that_a_file_holds_is_copied(tmp_path: Path, kind: str, source: str, target: str) -> None:
    make(tmp_path / f"in.{source}", times(50), MOMENTS, audio=kind)
    writer = copy(tmp_path / f"in.{source}", tmp_path / f"out.{target}")
    assert writer.audio_left_out is None
    before = packets(tmp_path / f"in.{source}")
    assert len(before) > 1000
    assert packets(tmp_path / f"out.{target}") == before


def test_sound_that_a_file_cannot_hold_is_left_out_for_the_true_reason(tmp_path: Path) -> None:
    make(tmp_path / "in.avi", times(50), MOMENTS, audio="wmav2")
    assert copy(tmp_path / "in.avi", tmp_path / "out.mp4").audio_left_out == "mp4 cannot hold wmav2"
    assert codec(tmp_path / "out.mp4") is None
    assert len(shown_at(tmp_path / "out.mp4")) == 50


@pytest.mark.parametrize("target", ["mp4", "avi", "mkv"])
def test_sound_is_encoded_anew_if_asked_and_only_where_it_must_be(tmp_path: Path, target: str) -> None:
    make(tmp_path / "in.mkv", times(50), MOMENTS, audio="wavpack")
    assert copy(tmp_path / "in.mkv", tmp_path / f"out.{target}", "encode").audio_left_out is None
    assert codec(tmp_path / f"out.{target}") == ("wavpack" if target == "mkv" else "aac")
    path = tmp_path / f"out.{target}"
    assert np.subtract(beeps(path), flashes(path)) == pytest.approx([0, 0], abs=0.05)


def test_no_sound_is_written_if_none_is_asked_for(tmp_path: Path) -> None:
    make(tmp_path / "in.mkv", times(50), MOMENTS)
    assert copy(tmp_path / "in.mkv", tmp_path / "out.mkv", "none").audio_left_out is None
    assert codec(tmp_path / "out.mkv") is None


def test_a_packet_is_shared_and_never_changed(tmp_path: Path) -> None:
    make(tmp_path / "in.mkv", times(50), MOMENTS)
    with VideoReader(tmp_path / "in.mkv") as reader:
        packet = [item for item in reader.read() if not isinstance(item, Decoded)][5]
    first, second = packet.copied(Fraction(1, 10)), packet.copied(Fraction(1, 10))
    assert first.pts == second.pts == packet.pts - 100
    assert bytes(first) == bytes(packet) == bytes(packet.packet)
    assert packet.packet.pts == packet.pts
