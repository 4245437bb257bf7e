"""Addresses: cameras that fall silent, hang up and come back, and files on a server."""

import io
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from helpers.live_servers import Play, Script, Then, file_server, free_udp_port, http_camera, multipart, udp_camera
from helpers.rtsp_server import encoded, rtsp_camera
from helpers.small_media import NUMBERS, every, in_time, jpegs, number_of, write_numbered
from segdata.errors import InputError
from segdata.video.reader import Decoded
from segrun.sources.excerpt import excerpt
from segrun.sources.network import NetworkSource

Refused = Callable[..., AbstractContextManager[None]]

COUNT = 60
B_FRAMES = {"preset": "fast", "bf": "2", "g": "10"}


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


@contextmanager
def opened(address: str, timeout: float = 2.0, reconnect: float = 0.0) -> Iterator[NetworkSource]:
    source = in_time(lambda: NetworkSource(address, timeout, reconnect))
    try:
        yield source
    finally:
        source.close()


def until_it_ends(source: NetworkSource) -> tuple[list[Decoded], str]:
    """Return all frames, and the error that came after them."""

    def work() -> tuple[list[Decoded], str]:
        frames = []
        try:
            for item in source.read():
                assert isinstance(item, Decoded)  # no sound
                frames.append(item)
        except InputError as error:
            return frames, str(error)
        return frames, ""

    return in_time(work)


def transport_stream(count: int = COUNT, first: int = 0, sound: bool = False) -> list[bytes]:
    content = io.BytesIO()
    write_numbered(content, every(count), format="mpegts", options=B_FRAMES, first=first, sound=sound)
    stream = content.getvalue()
    return [stream[start : start + 188] for start in range(0, len(stream), 188)]


def assert_times_go_on(frames: list[Decoded], source: NetworkSource) -> None:
    assert frames[0].pts == 0
    assert all(later.pts > earlier.pts for earlier, later in pairwise(frames))
    assert {frame.time_base for frame in frames} == {source.time_base}


@contextmanager
def camera(kind: str, plays: list[tuple[int, Then]]) -> Iterator[tuple[str, Script]]:
    """Serve plays, each of so many frames, over RTSP, as MPEG-TS or as MJPEG over HTTP."""
    if kind == "rtsp":
        with rtsp_camera([Play(encoded(count), then) for count, then in plays]) as served:
            yield served
    elif kind == "mpegts":
        with http_camera("video/mp2t", [Play(transport_stream(count), then) for count, then in plays]) as served:
            yield served
    else:
        scripts = [Play(multipart(jpegs(count)), then) for count, then in plays]
        with http_camera("multipart/x-mixed-replace; boundary=frame", scripts) as served:
            yield served


KINDS = pytest.mark.parametrize("kind", ["rtsp", "mpegts", "mjpeg"])


@KINDS
def test_a_camera_that_hangs_up_ends_the_run(kind: str) -> None:
    with camera(kind, [(COUNT, "hang up")]) as (address, script), opened(address) as source:
        assert (source.live, source.expected_frames, source.audio) == (True, None, None)
        frames, error = until_it_ends(source)
        assert not error
        assert source.corrupt_packets == source.reconnects == 0
        assert script.visits == 1
    assert [number_of(frame) for frame in frames] == list(range(COUNT))
    assert_times_go_on(frames, source)


@pytest.mark.parametrize("kind", ["rtsp", "mpegts"])
def test_times_are_those_of_the_stream(kind: str) -> None:
    with camera(kind, [(COUNT, "hang up")]) as (address, _), opened(address) as source:
        frames, _ = until_it_ends(source)
    assert [frame.seconds for frame in frames] == every(COUNT)


@KINDS
def test_a_camera_that_falls_silent_is_given_up(kind: str) -> None:
    with camera(kind, [(COUNT, "fall silent")]) as (address, _), opened(address, timeout=1.0) as source:
        frames, error = until_it_ends(source)
        assert source.corrupt_packets == 0
    assert len(frames) == COUNT
    assert re.search(r"silent for 1 seconds \(nothing came in time\); is it on", error)


@KINDS
@pytest.mark.parametrize("then", ["hang up", "fall silent"])
def test_a_camera_that_comes_back_is_read_on(kind: str, then: Then) -> None:
    plays = [(COUNT, then), (COUNT, then), (0, "hang up")]
    with camera(kind, plays) as (address, _), opened(address, timeout=1.0, reconnect=1.0) as source:
        frames, error = until_it_ends(source)
        assert [number_of(frame) for frame in frames] == 2 * list(range(COUNT))
        assert_times_go_on(frames, source)
        assert source.reconnects >= 1
    assert "silent for" in error


@KINDS
def test_closing_ends_a_read_that_waits(kind: str) -> None:
    with camera(kind, [(COUNT, "fall silent")]) as (address, _), opened(address, timeout=1.5, reconnect=1e6) as source:
        heard = threading.Event()

        def read() -> int:
            count = 0
            for _ in source.read():
                count += 1
                heard.set()
            return count

        def close() -> None:
            heard.wait()
            source.close()

        closer = threading.Thread(target=close)
        closer.start()
        assert in_time(read) <= COUNT
        closer.join()


def test_closing_ends_the_tries_to_reconnect() -> None:
    with camera("rtsp", [(COUNT, "hang up"), (0, "hang up")]) as (address, script):
        source = NetworkSource(address, 1.0, 1e6)

        def close() -> None:
            while script.visits < 2:
                script.over.wait(0.01)
            source.close()

        closer = threading.Thread(target=close)
        closer.start()
        assert len(until_it_ends(source)[0]) == COUNT
        closer.join()


def test_a_size_may_change_and_sound_is_left_out() -> None:
    other = io.BytesIO()
    write_numbered(other, every(COUNT), format="mpegts", options=B_FRAMES, size=(96, 128))
    plays = [Play(transport_stream(sound=True)), Play([other.getvalue()]), Play([])]
    with http_camera("video/mp2t", plays) as (address, _), opened(address, reconnect=0.5) as source:
        frames, _ = until_it_ends(source)
    assert {(frame.frame.height, frame.frame.width) for frame in frames} == {(48, 64), (96, 128)}


@pytest.mark.parametrize("scheme", ["udp", "rtp"])
def test_a_stream_of_datagrams_that_begins_again_goes_on(scheme: str) -> None:
    port = free_udp_port()
    stream = b"".join(transport_stream())
    address = f"{scheme}://127.0.0.1:{port}"
    with udp_camera(stream, port, 0.002, scheme == "rtp") as silent, opened(address, timeout=5.0) as source:
        assert source.live

        def read() -> list[Decoded]:
            frames = []
            for frame in source.read():
                assert isinstance(frame, Decoded)
                frames.append(frame)
                if len(frames) == 3 * COUNT:  # the sender begins again at zero twice
                    silent.set()
                    source.close()
            return frames

        frames = in_time(read)
    assert len(frames) >= 3 * COUNT
    assert_times_go_on(frames, source)


@pytest.mark.parametrize("scheme", ["rtsp", "http", "tcp", "rtmp"])
def test_nobody_there_is_said_without_the_password(refused: Refused, scheme: str) -> None:
    with refused(f"^{scheme}://127.0.0.1:1/x: no video comes from there .Connection refused"):
        NetworkSource(f"{scheme}://user:secret@127.0.0.1:1/x", 2.0, 0.0)


def test_silence_from_the_first_is_said(refused: Refused) -> None:
    with refused("no video comes from there .nothing came in time"):
        in_time(lambda: NetworkSource(f"udp://127.0.0.1:{free_udp_port()}", 0.5, 0.0))


@pytest.mark.parametrize("ranges", [True, False], ids=["with ranges", "without ranges"])
@pytest.mark.parametrize("name", ["file.mkv", "file.ts", "file.mp4"])
def test_a_file_on_a_server_is_a_file(tmp_path: Path, name: str, ranges: bool) -> None:
    write_numbered(tmp_path / name, every(250), options=B_FRAMES, sound=True)
    with file_server(tmp_path / name, ranges=ranges) as (address, _):
        with opened(address) as source:
            assert not source.live
            assert source.audio is not None
            items = in_time(lambda: list(source.read()))
            numbers = [number_of(item) for item in items if isinstance(item, Decoded)]
            assert numbers == [number % NUMBERS for number in range(250)]
            assert len(items) > 250
        with opened(address) as source:
            items = in_time(lambda: list(excerpt(source, 8.0, 1.0, 1)))
            assert [number_of(item) for item in items if isinstance(item, Decoded)] == list(range(25))


def test_a_lost_connection_to_a_file_is_made_again(tmp_path: Path) -> None:
    write_numbered(tmp_path / "file.mkv", every(250), options=B_FRAMES)
    with file_server(tmp_path / "file.mkv", drops=3) as (address, visits), opened(address, timeout=20.0) as source:
        assert len(in_time(lambda: list(source.read()))) == 250
        assert source.corrupt_packets == 0
        assert len(visits) > 3
