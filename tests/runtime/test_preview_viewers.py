"""Viewers of the live preview: each gets the newest frame, none delays the run, and all notice its end."""

import asyncio
import errno
import json
import os
import socket
import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from helpers.live_preview import (
    BLUE,
    GREEN,
    RED,
    STREAM,
    WATCHDOG,
    Serve,
    Viewer,
    asked,
    colour_of,
    connected,
    fed,
    left_open,
    picture,
    port_of,
    until,
    watched,
    write,
)
from segdata.video.picture import Picture
from segrun.preview import live as preview_live
from segrun.preview import page_server as preview_server
from segrun.preview import server
from segrun.preview.live import LiveJpeg
from segrun.preview.page_server import STREAMS


def test_each_frame_is_encoded_once_for_all_viewers_and_only_for_viewers(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = []
    jpeg_of = preview_live._jpeg_of

    def counted(shown: Picture) -> bytes:
        encoded.append(shown)
        return jpeg_of(shown)

    monkeypatch.setattr(preview_live, "_jpeg_of", counted)
    sink = serve()
    for _ in range(10):
        write(sink, picture(RED))
    asked(sink, "/stats")
    assert encoded == []
    viewers = [Viewer(sink) for _ in range(5)]
    assert [colour_of(viewer.jpeg()) for viewer in viewers] == [RED] * 5
    for colour in (GREEN, BLUE, GREEN):
        write(sink, picture(colour))
        assert [colour_of(viewer.jpeg()) for viewer in viewers] == [colour] * 5
    assert len(encoded) == 4
    for viewer in viewers:
        viewer.close()


def test_a_viewer_who_comes_before_the_first_frame_waits_for_it(serve: Serve) -> None:
    sink = serve()
    viewer = Viewer(sink)
    assert viewer.response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
    write(sink, picture(BLUE))
    assert colour_of(viewer.jpeg()) == BLUE
    viewer.close()


def resident() -> int:
    """The memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_viewer_who_does_not_read_holds_up_nobody_and_then_sees_the_newest(serve: Serve) -> None:
    sink = serve()
    noise = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    shown = Picture.from_rgb(noise)
    slow, quick = Viewer(sink), Viewer(sink)
    write(sink, shown)
    first = quick.jpeg()
    assert first is not None
    before = resident()
    frames = 150
    for number in range(frames):
        write(sink, shown, number)
        assert quick.jpeg() is not None  # each one
    assert frames * len(first) > 80_000_000
    assert resident() - before < 40_000_000
    write(sink, picture(GREEN, 720, 1280))
    assert colour_of(quick.jpeg()) == GREEN
    late = [slow.jpeg()]
    while late[-1] is not None and len(late[-1]) > len(first) / 2:
        late.append(slow.jpeg())
    assert colour_of(late[-1]) == GREEN
    assert len(late) < 20
    slow.close()
    quick.close()


def test_the_run_does_not_wait_for_viewers(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    encoding, go_on = threading.Event(), threading.Event()

    def stuck(_: Picture) -> bytes:
        encoding.set()
        go_on.wait(WATCHDOG)
        return b"jpeg"

    monkeypatch.setattr(preview_live, "_jpeg_of", stuck)
    sink = serve()
    viewer = Viewer(sink)
    write(sink, picture(RED))
    assert encoding.wait(WATCHDOG)

    def many() -> None:
        for number in range(1000):
            write(sink, picture(RED), number)

    watched(many)
    assert not go_on.is_set()
    go_on.set()
    assert (viewer.jpeg(), viewer.jpeg()) == (b"jpeg", b"jpeg")  # the first, and the newest: 999 were skipped
    assert json.loads(asked(sink, "/stats")[1])["frames"] == 1001
    watched(sink.finish)
    assert viewer.jpeg() is None
    viewer.close()


def test_a_viewer_who_takes_nothing_is_dropped(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_server, "PATIENCE", 0.2)
    monkeypatch.setattr(preview_server, "STREAMS", 1)
    sink = serve()
    noise = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    shown = Picture.from_rgb(noise)
    with connected(sink, STREAM, receive_buffer=4096):

        def another_is_let_in() -> bool:
            write(sink, shown)
            return asked(sink, "/stream.mjpg")[0].status == 200

        until(lambda: asked(sink, "/stream.mjpg")[0].status == 503)
        until(another_is_let_in)


def test_viewers_beyond_the_limit_are_told(serve: Serve) -> None:
    sink = serve()
    write(sink, picture(RED))
    viewers: list[Viewer] = []
    lock = threading.Lock()

    def watch() -> None:
        viewer = Viewer(sink)
        with lock:
            viewers.append(viewer)

    threads = [threading.Thread(target=watch, daemon=True) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WATCHDOG)
    assert len(viewers) == 100
    watching = [viewer for viewer in viewers if viewer.response.status == 200]
    told = [viewer for viewer in viewers if viewer.response.status == 503]
    assert (len(watching), len(told)) == (STREAMS, 100 - STREAMS)
    for viewer in told:
        assert viewer.response.read() == b"32 are watching already: close another page of this one.\n"
    assert [colour_of(viewer.jpeg()) for viewer in watching] == [RED] * STREAMS
    assert asked(sink, "/stats")[0].status == 200
    for viewer in viewers:
        viewer.close()
    until(lambda: asked(sink, "/stream.mjpg")[0].status == 200)  # without a frame that would show them gone


def test_a_flood_of_connections_leaves_the_run_its_files(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 10)
    sink = serve()

    def answers(client: socket.socket) -> bool:
        try:
            client.sendall(b"HEAD /stats HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return client.recv(1000).startswith(b"HTTP/1.1 200 ")
        except OSError:  # turned away
            return False

    flood = [connected(sink) for _ in range(10)]
    assert all(answers(client) for client in flood)
    more = [connected(sink) for _ in range(50)]
    assert not any(answers(client) for client in more)
    assert all(answers(client) for client in flood)
    for client in [*flood, *more]:
        client.close()

    def answers_anew() -> bool:
        with connected(sink) as client:
            return answers(client)

    until(answers_anew)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\xff\x16\x03\x01garbage\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"MADEUP / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 100_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: local",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\nhalf",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /%2e%2e/%00/%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET //evil.example/stats HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x85",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: the-unexpected\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        STREAM * 50,
    ],
    ids=lambda data: repr(data[:24]),
)
def test_malformed_requests_do_no_harm(data: bytes, serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    sink = serve()
    write(sink, picture(RED))
    clients = []
    for _ in range(3):
        client = connected(sink)
        clients.append(client)
        try:
            client.sendall(data)
        except OSError:  # it has hung up
            continue
    with connected(sink, data[:10]):
        pass
    assert asked(sink, "/stats")[0].status == 200
    viewer = Viewer(sink)
    assert colour_of(viewer.jpeg()) == RED
    viewer.close()
    for client in clients:
        client.close()
    watched(sink.finish)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("end", ["finish", "discard"])
def test_the_end_reaches_everyone_and_leaves_nothing(end: str, serve: Serve) -> None:
    before = left_open()
    sink = serve()
    write(sink, Picture.from_rgb(np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)))
    clients = [
        connected(sink),
        connected(sink, b"GET / HTTP/1.1\r\nHost: loc"),
        connected(sink, b"GET /stats HTTP/1.1\r\nHost: localhost\r\n\r\n"),  # keeps the connection
        connected(sink, STREAM, receive_buffer=4096),  # does not read
        connected(sink, b"GET /frame.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5, receive_buffer=4096),
    ]
    viewer = Viewer(sink)
    assert viewer.jpeg() is not None
    last: list[bytes | None] = []
    watcher = threading.Thread(target=lambda: last.append(viewer.jpeg()), daemon=True)
    watcher.start()
    watched(getattr(sink, end))
    watcher.join(WATCHDOG)
    assert last == [None]
    viewer.close()
    for client in clients:
        client.close()
    assert left_open() == before
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port_of(sink))) == errno.ECONNREFUSED
    watched(sink.discard)
    write(sink, picture(RED))  # the run's thread may be in it when the user lets go of everything


def test_the_last_frame_is_shown_before_the_end(serve: Serve) -> None:
    sink = serve()
    viewer = Viewer(sink)
    write(sink, picture(RED))
    assert colour_of(viewer.jpeg()) == RED
    write(sink, picture(GREEN))
    watched(sink.finish)
    assert colour_of(viewer.jpeg()) == GREEN
    assert viewer.jpeg() is None
    viewer.close()


def test_frames_that_come_after_the_end_do_not_put_it_off() -> None:
    live = LiveJpeg()

    async def watch() -> None:
        live.show(picture(RED))
        live.end()
        live.show(picture(GREEN))
        last, nothing = await live.after(0), await live.after(1)
        assert last is not None
        assert colour_of(last[1]) == RED
        assert nothing is None

    asyncio.run(watch())


def test_it_ends_while_frames_come(serve: Serve) -> None:
    sink = serve()
    viewer = Viewer(sink)
    with fed(sink, [RED, GREEN]):
        assert viewer.jpeg() is not None
        watched(sink.discard)
        time.sleep(0.1)  # frames go on
    while viewer.jpeg() is not None:
        pass
    viewer.close()


def test_viewers_who_go_away_at_any_moment_leave_no_traceback(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """Closing a page resets its connection: before the answer, within a frame, or at the end of the run."""
    sink = serve()
    request = b"GET /stream.mjpg HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port_of(sink)

    def look(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(25):
            viewer = connected(sink, request)
            if random.random() < 0.7:
                viewer.recv(int(random.choice([1, 5000, 100_000])))
            time.sleep(random.random() * 0.02)
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, as at a crash
            viewer.close()

    noise = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    pictures = [Picture.from_rgb(noise), Picture.from_rgb(noise[::-1].copy())]
    viewers = [threading.Thread(target=look, args=(seed,)) for seed in range(6)]
    for viewer in viewers:
        viewer.start()
    number = 0
    while any(viewer.is_alive() for viewer in viewers):
        number += 1
        write(sink, pictures[number % 2], number)
        time.sleep(0.005)
    sink.finish()
    assert [record.getMessage() for record in caplog.records] == []
