"""Cameras that deliver, fall silent, hang up and come back. Each connection follows the next `Play` of a script."""

import http.server
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Then = Literal["hang up", "fall silent"]


@dataclass(frozen=True)
class Play:
    """What one connection receives: pieces of a stream, and then nothing more."""

    pieces: Sequence[bytes]
    then: Then = "hang up"


class Script:
    """Gives each connection its `Play`, and the last one to all later connections. `visits` counts connections."""

    def __init__(self, plays: Sequence[Play]) -> None:
        self._plays = plays
        self._lock = threading.Lock()
        self.over = threading.Event()
        self.visits = 0

    def follow(self, send: Callable[[bytes], object]) -> None:
        with self._lock:
            play = self._plays[min(self.visits, len(self._plays) - 1)]
            self.visits += 1
        try:
            for piece in play.pieces:
                send(piece)
            if play.then == "fall silent":
                self.over.wait()
        except OSError:  # whoever watched has gone
            return


@contextmanager
def http_camera(content_type: str, plays: Sequence[Play]) -> Iterator[tuple[str, Script]]:
    """Serve `plays` at the address that is given, as an HTTP body without a declared end."""
    script = Script(plays)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            script.follow(self.wfile.write)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _serving(Handler) as port:
        try:
            yield f"http://127.0.0.1:{port}/camera", script
        finally:
            script.over.set()


@contextmanager
def file_server(path: Path, ranges: bool = True, drops: int = 0) -> Iterator[tuple[str, list[int]]]:
    """Serve a file at the yielded address; `drops` connections are lost after a tenth of it.

    Without `ranges` it is sent from the beginning only. The list has where each connection began.
    """
    content = path.read_bytes()
    visits: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) if ranges else None
            start = int(wanted[1]) if wanted else 0
            visits.append(start)
            self.send_response(206 if wanted else 200)
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            lost = len(visits) <= drops
            with suppress(OSError):  # whoever watched has gone
                self.wfile.write(content[start : start + len(content) // 10] if lost else content[start:])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _serving(Handler) as port:
        yield f"http://127.0.0.1:{port}/{path.name}", visits


@contextmanager
def _serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = False  # closing the server waits for them
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def multipart(pictures: Sequence[bytes]) -> list[bytes]:
    """Return JPEG files as the parts of multipart/x-mixed-replace; boundary=frame."""
    head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    return [head % len(picture) + picture + b"\r\n" for picture in pictures]


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def udp_camera(stream: bytes, port: int, pause: float, rtp: bool = False) -> Iterator[threading.Event]:
    """Send an MPEG-TS to `port` over and over, seven packets at a time, until the event that is given is set.

    With `rtp`, each of them is an RTP packet (RFC 2250).
    """
    silent = threading.Event()
    pieces = [stream[start : start + 7 * 188] for start in range(0, len(stream), 7 * 188)]

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            number = 0
            while not silent.is_set():
                for piece in pieces:
                    head = struct.pack(">BBHII", 0x80, 33, number % 65536, number * 100, 1) if rtp else b""
                    sender.sendto(head + piece, ("127.0.0.1", port))
                    number += 1
                    if silent.wait(pause):
                        return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield silent
    finally:
        silent.set()
        thread.join()
