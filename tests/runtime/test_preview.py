"""The live preview: a real server, asked over real sockets; its addresses, its token, its answers."""

import json
import socket
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from helpers.live_preview import (
    BLUE,
    CLASSES,
    COLOURS,
    GREEN,
    RED,
    WATCHDOG,
    Serve,
    asked,
    colour_of,
    connected,
    picture,
    port_of,
    segmented,
    write,
)
from segdata.command_line.fixable import missing_dependency
from segrun.preview.figures import Figures
from segrun.preview.server import parse_address

if TYPE_CHECKING:
    from conftest import Refused


ENDPOINTS = ("/", "/stream.mjpg", "/frame.jpg", "/stats")


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
    with refused("the token is empty or has characters other than ASCII"):
        serve(token=token)


def test_an_address_that_is_taken_or_not_ours_is_refused(serve: Serve, refused: "Refused") -> None:
    with refused("port [0-9]+: Address already in use; choose another HOST:PORT"):
        serve(f"127.0.0.1:{port_of(serve())}")
    with refused("192.0.2.1, port 0: Cannot assign requested address; choose"):
        serve("192.0.2.1:0", "word")
    with refused("cannot serve at a..b"):
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
    nothing: dict[str, object] = {"frames": 0, "fps": 0.0, "latency_ms": None, "shares": [], "seconds": None}
    assert json.loads(asked(sink, "/stats")[1]) == nothing | {"inputs": []}
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
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
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
