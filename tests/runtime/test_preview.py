"""The live preview: a real server, asked over real sockets."""

import asyncio
import errno
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from aiohttp import web
from live_preview import (
    BLUE,
    CLASSES,
    COLOURS,
    GREEN,
    RED,
    WATCHDOG,
    Viewer,
    asked,
    connected,
    fed,
    picture,
    port_of,
    segmented,
    until,
    watched,
    write,
)

from segdata.command import missing_dependency
from segdata.pyav_picture import Picture
from segrun import preview_figures, preview_live, preview_server
from segrun.preview import PreviewSink, parse_address
from segrun.preview_figures import Figures
from segrun.preview_live import LiveJpeg
from segrun.preview_server import STREAMS

if TYPE_CHECKING:
    from conftest import Refused

ENDPOINTS = ("/", "/stream.mjpg", "/frame.jpg", "/stats")
STREAM = b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n"

Serve = Callable[..., PreviewSink]


def left_open() -> tuple[set[threading.Thread], int]:
    """The threads of this process, and how many sockets, pipes and event loops it has."""
    kinds = ("socket:", "pipe:", "anon_inode:")
    links = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(link.readlink()))
        except FileNotFoundError:  # the one that lists them
            continue
    return set(threading.enumerate()), sum(link.startswith(kinds) for link in links)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Opens previews on free ports; afterwards they are finished, and must leave nothing."""
    before = left_open()
    opened = []

    def serve(address: str = "127.0.0.1:0", token: str | None = None) -> PreviewSink:
        opened.append(PreviewSink(address, token, CLASSES, COLOURS))
        return opened[-1]

    yield serve
    for sink in opened:
        watched(sink.finish)
    assert left_open() == before


def colour_of(jpeg: bytes | None) -> tuple[int, int, int]:
    """The one of the three colours that fills a JPEG."""
    assert jpeg is not None
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    mean = image[..., ::-1].reshape(-1, 3).mean(axis=0)
    near = [colour for colour in (RED, GREEN, BLUE) if np.abs(mean - colour).max() < 8]
    assert len(near) == 1, f"{mean} is none of them"
    return near[0]


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("8080", "127.0.0.1", 8080),
        (":0", "127.0.0.1", 0),
        ("[::1]:65535", "::1", 65535),
        ("cam.example:80", "cam.example", 80),
        ("0.0.0.0:80", "0.0.0.0", 80),
    ],
)
def test_an_address_is_host_and_port(address: str, host: str, port: int) -> None:
    assert parse_address(address) == (host, port)


@pytest.mark.parametrize(
    "address",
    [
        *("", ":", "host", "host:", "host:65536", "host:-1", "host:٣", "host: 80", "host:80\n", "host:80/"),
        *("::1:80", "[::1]", "[]:80", "a]:8", "http://a:80", "host:" + "9" * 5000),
    ],
)
def test_what_is_no_address_is_refused(address: str, refused: "Refused") -> None:
    with refused("need HOST:PORT such as"):
        parse_address(address)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_other_machines_reach_it_only_with_a_token(address: str, serve: Serve, refused: "Refused") -> None:
    with refused("other machines can reach .*: add --token WORD, or serve at 127"):
        serve(address)
    sink = serve(address, "pass&word")
    assert sink.address == f"http://{socket.gethostname()}:{port_of(sink)}/?token=pass%26word"


def test_the_url_opens_the_page(serve: Serve) -> None:
    assert serve().address.startswith("http://127.0.0.1:")
    assert serve("localhost:0", "word").address.endswith("/?token=word")


def test_the_other_loopback_address_needs_no_token(serve: Serve) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    sink = serve("[::1]:0")
    with socket.create_connection(("::1", port_of(sink)), WATCHDOG) as client:
        client.sendall(b"GET /stats HTTP/1.1\r\nHost: [::1]:%d\r\n\r\n" % port_of(sink))
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("token", ["", "two words", "wörter", "line\n"])
def test_a_token_that_does_not_travel_is_refused(token: str, serve: Serve, refused: "Refused") -> None:
    with refused("the token is empty or has other than ASCII"):
        serve(token=token)


def test_an_address_that_is_taken_or_not_ours_is_refused(serve: Serve, refused: "Refused") -> None:
    with refused("port [0-9]+: Address already in use; choose another HOST:PORT"):
        serve(f"127.0.0.1:{port_of(serve())}")
    with refused("192.0.2.1, port 0: Cannot assign requested address; choose"):
        serve("192.0.2.1:0", "word")
    with refused("cannot serve the preview at a..b"):
        serve("a..b:0", "word")


def test_a_server_that_cannot_start_says_so(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: web.AppRunner) -> None:
        raise OSError("no more files")

    monkeypatch.setattr(web.AppRunner, "setup", fail)
    with pytest.raises(OSError, match="no more files"):
        serve()


def test_without_aiohttp_the_extra_is_named() -> None:
    message = str(missing_dependency(ModuleNotFoundError("No module named 'aiohttp'", name="aiohttp")))
    assert message == "aiohttp is not installed; run: pip install 'edgeseg[serve]'"


@pytest.mark.parametrize("path", [*ENDPOINTS, "/no-such-page"])
@pytest.mark.parametrize("address", ["127.0.0.1:0", "0.0.0.0:0"])
def test_every_request_needs_the_token(path: str, address: str, serve: Serve) -> None:
    sink = serve(address, "t0ken+")
    write(sink, picture(RED))
    right = 404 if path == "/no-such-page" else 200
    for query, headers, status in [
        ("", {}, 401),
        ("?token=", {}, 401),
        ("?token=wrong", {}, 401),
        ("?token=t0ken", {}, 401),
        ("?token=t0ken%2B%2B", {}, 401),
        ("?token=T0KEN%2B", {}, 401),
        ("?token=%ff%ed%a0%80%00", {}, 401),
        ("?token=wrong&token=t0ken%2B", {}, 401),
        ("", {"Authorization": "Bearer wrong"}, 401),
        ("", {"Authorization": "Basic t0ken+"}, 401),
        ("", {"Authorization": "t0ken+"}, 401),
        ("", {"Authorization": "Bearer \xff"}, 401),
        ("?token=t0ken%2B", {}, right),
        ("", {"Authorization": "Bearer t0ken+"}, right),
        ("", {"Authorization": "bearer t0ken+", "Host": "through.a.tunnel"}, right),
    ]:
        response, body = asked(sink, path + query, headers)
        assert response.status == status, (query, headers)
        if status == 401:
            assert body == b"The token is missing or wrong: open the address that seg-run printed.\n"
    assert asked(sink, path, method="POST")[0].status == 401


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_page_of_the_web_cannot_rebind_its_name_to_the_server(path: str, serve: Serve) -> None:
    sink = serve()
    write(sink, picture(RED))
    for host in ("localhost", "LOCALHOST:8080", "127.0.0.1", "127.1.2.3:1", "[::1]:8080"):
        assert asked(sink, path, {"Host": host})[0].status == 200, host
    for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::1"):
        response, body = asked(sink, path, {"Host": host})
        assert response.status in (400, 403), host  # 400: no host at all
        assert b"\xff\xd8" not in body
    with connected(sink, f"GET {path} HTTP/1.0\r\n\r\n".encode()) as client:
        assert client.recv(100).startswith(b"HTTP/1.0 403 ")


def test_every_answer_keeps_the_picture_here(serve: Serve) -> None:
    sink = serve(token="word")
    write(sink, picture(RED))
    paths = [f"{path}?token=word" for path in (*ENDPOINTS, "/no-such-page")]
    for path in [*paths, "/"]:
        headers = asked(sink, path, {"Origin": "http://evil.example"})[0].headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert not [name for name in headers if name.lower().startswith("access-control")]
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "http" not in policy


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_get_and_head_are_allowed(method: str, serve: Serve) -> None:
    sink = serve()
    for path in ENDPOINTS:
        response, _ = asked(sink, path, method=method)
        assert response.status == 405
        assert response.headers["Allow"] == "GET,HEAD"


@pytest.mark.parametrize("path", ENDPOINTS)
def test_head_has_the_headers_and_no_body(path: str, serve: Serve) -> None:
    sink = serve()
    write(sink, picture(RED))
    response, body = asked(sink, path, method="HEAD")
    assert (response.status, body) == (200, b"")
    assert response.headers["Content-Type"] == asked(sink, path)[0].headers["Content-Type"]


def test_the_stats_tell_the_run(serve: Serve) -> None:
    sink = serve()
    nothing = {"frames": 0, "fps": 0.0, "latency_ms": None, "shares": [], "seconds": None}
    assert json.loads(asked(sink, "/stats")[1]) == nothing
    write(sink, picture(RED), 0, late=0.5)
    write(sink, picture(RED), 100, late=0.5)
    stats = json.loads(asked(sink, "/stats")[1])
    assert stats["frames"] == 2
    assert stats["fps"] > 0
    assert 500 <= stats["latency_ms"]["p50"] <= stats["latency_ms"]["p99"]
    assert stats["seconds"] == 4
    assert stats["shares"] == [
        {"name": "road", "share": 0.5, "colour": "#804080"},
        {"name": "sky", "share": 0.25, "colour": "#4682b4"},
        {"name": "<b>person</b>", "share": 0.25, "colour": "#dc143c"},
    ]


def test_the_figures_are_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(preview_figures.time, "perf_counter", lambda: clock[0])
    figures, shown = Figures(CLASSES, COLOURS), picture(RED)
    for number in range(100):  # 16 a second
        figures.add(segmented(shown, number, late=9.0))
        assert figures.now()["fps"] == (16 if number else 0)  # one frame has no speed
        clock[0] += 1 / 16
    for number in range(199):
        figures.add(segmented(shown, number, late=0.25))
        clock[0] += 1 / 64
    figures.add(segmented(shown, 199, late=0.75))
    assert figures.now()["fps"] == 64
    assert figures.now()["latency_ms"] == {"p50": 250, "p99": 250}
    for _ in range(3):
        figures.add(segmented(shown, 200, late=0.75))
    assert figures.now()["latency_ms"] == {"p50": 250, "p99": 750}
    clock[0] += 1.5
    assert 0 < figures.now()["fps"] < 64
    clock[0] += 1
    assert figures.now()["fps"] == 0


def test_the_newest_frame_can_be_fetched(serve: Serve) -> None:
    sink = serve()
    response, body = asked(sink, "/frame.jpg")
    assert (response.status, body) == (503, b"There is no frame yet.\n")
    for colour in (RED, GREEN, BLUE):
        write(sink, picture(colour))
        response, body = asked(sink, "/frame.jpg")
        assert response.headers["Content-Type"] == "image/jpeg"
        assert colour_of(body) == colour


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
    watched(lambda: [write(sink, picture(RED), number) for number in range(1000)].clear())
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
    monkeypatch.setattr(preview_server, "CONNECTIONS", 10)
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
