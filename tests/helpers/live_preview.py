"""Frames of one colour for the preview, and viewers of it."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np

from helpers.images import decode_image
from segdata.spec import ModelSpec
from segdata.video.picture import Picture
from segrun.drawing.look import Look
from segrun.frame import Frame, Segmented
from segrun.preview.sink import PreviewSink

CLASSES = ("road", "sky", "<b>person</b>")
COLOURS = ((128, 64, 128), (70, 130, 180), (220, 20, 60))
RED, GREEN, BLUE = (200, 30, 30), (30, 170, 30), (30, 30, 200)
STREAM = b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n"
WATCHDOG = 20.0  # seconds after which a test fails that would hang

SPEC = ModelSpec(8, 8, "three", CLASSES, COLOURS, "unet", {})

Serve = Callable[..., PreviewSink]


def opened(address: str = "127.0.0.1:0", token: str | None = None) -> PreviewSink:
    """A preview that shows the frames as they are, unless a viewer wants to see the classes."""
    return PreviewSink(address, token, SPEC, Look(alpha=0))


def picture(colour: Sequence[int], height: int = 96, width: int = 160) -> Picture:
    return Picture.from_rgb(np.full((height, width, 3), colour, dtype=np.uint8))


def segmented(shown: Picture, number: int = 0, late: float = 0.0) -> Segmented:
    """A frame at `number` / 25 seconds, decoded `late` seconds ago: half road, a quarter sky, a quarter person."""
    now = time.perf_counter()
    labels = np.repeat(np.array([0, 0, 1, 2], dtype=np.uint8), 16).reshape(8, 8)
    frame = Frame(shown, np.zeros((8, 8, 3), np.uint8), number, Fraction(1, 25), str(number), now - late, 0.0, 0.0)
    return Segmented(frame, labels, CLASSES, now)


def write(sink: PreviewSink, shown: Picture, number: int = 0, late: float = 0.0) -> None:
    sink.write(segmented(shown, number, late), None)


@contextmanager
def fed(sink: PreviewSink, colours: Sequence[Sequence[int]]) -> Iterator[None]:
    """Write frames of `colours`, one after the other and again, in a thread, until the end of the block."""
    pictures = [picture(colour) for colour in colours]
    over = threading.Event()

    def feed() -> None:
        number = 0
        while not over.wait(0.02):
            write(sink, pictures[number % len(pictures)], number)
            number += 1

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def port_of(sink: PreviewSink) -> int:
    port = urlsplit(sink.address).port
    assert port is not None
    return port


def connected(sink: PreviewSink, data: bytes = b"", receive_buffer: int | None = None) -> socket.socket:
    """A connection to the server, with `data` sent over it."""
    client = socket.socket()
    client.settimeout(WATCHDOG)
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect(("127.0.0.1", port_of(sink)))
    client.sendall(data)
    return client


def asked(
    sink: PreviewSink, path: str, headers: dict[str, str] | None = None, method: str = "GET"
) -> tuple[http.client.HTTPResponse, bytes]:
    """The answer to one request, and its body; of a stream that has begun, no body."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(sink), timeout=WATCHDOG)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        streams = response.status == 200 and path.startswith("/stream") and method == "GET"
        return response, b"" if streams else response.read()
    finally:
        connection.close()


class Viewer:
    """Watches the stream."""

    def __init__(self, sink: PreviewSink, path: str = "/stream.mjpg") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port_of(sink), timeout=WATCHDOG)
        self._connection.request("GET", path)
        self.response = self._connection.getresponse()
        self._jpeg = b""

    def jpeg(self) -> bytes | None:
        """The next frame, None at the end of the stream; fails if the stream does not follow RFC 2046."""
        if not self._jpeg:
            assert self.response.readline() == b"--frame\r\n"
        assert self.response.readline() == b"Content-Type: image/jpeg\r\n"
        assert self.response.readline() == b"\r\n"
        lines = []
        while (line := self.response.readline()) not in (b"--frame\r\n", b"--frame--\r\n"):
            assert line, "it breaks off"
            lines.append(line)
        jpeg = b"".join(lines).removesuffix(b"\r\n")
        if line == b"--frame--\r\n":
            assert self.response.read() == b""
            assert jpeg == self._jpeg  # the last one, once more
            return None
        self._jpeg = jpeg
        return jpeg

    def close(self) -> None:
        self.response.close()
        self._connection.close()


def until(happens: Callable[[], bool]) -> None:
    """Wait until `happens` is true."""
    deadline = time.monotonic() + WATCHDOG
    while not happens():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


def watched(call: Callable[[], None]) -> None:
    """Call it in a thread of its own, and fail if it does not return."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(WATCHDOG)
    assert not thread.is_alive(), "it hangs"


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


def colour_of(jpeg: bytes | None) -> tuple[int, int, int]:
    """The one of the three colours that fills a JPEG."""
    assert jpeg is not None
    image = decode_image(jpeg, cv2.IMREAD_COLOR_RGB)
    mean = image.reshape(-1, 3).mean(axis=0)
    near = [colour for colour in (RED, GREEN, BLUE) if np.abs(mean - colour).max() < 8]
    assert len(near) == 1, f"{mean} is none of them"
    return near[0]
