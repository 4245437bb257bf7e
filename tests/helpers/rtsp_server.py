"""A small RTSP camera: H.264 over interleaved TCP, as RFC 2326 and RFC 6184 have it."""

import base64
import re
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from io import BufferedRWPair

import av

from helpers.live_servers import Play, Script
from helpers.small_media import HEIGHT, WIDTH, numbered

_PAYLOAD_TYPE = 96
_MOST = 65_000  # bytes in one RTP packet: a length has 16 bits here
_PARAMETER_SETS = (7, 8)  # H.264's NAL unit types SPS and PPS


def encoded(count: int, first_time: int = 90_000) -> list[bytes]:
    """Return `count` numbered frames as interleaved RTP packets, one NAL unit each, 25 a second."""
    sequence = 0
    frames = []
    for number, units in enumerate(_access_units(count)):
        packets = b""
        for index, unit in enumerate(units):
            assert len(unit) < _MOST
            last = index == len(units) - 1
            header = struct.pack(
                ">BBHII", 0x80, _PAYLOAD_TYPE | (0x80 if last else 0), sequence, first_time + number * 3600, 0x5E6
            )
            packets += b"$\x00" + struct.pack(">H", len(header) + len(unit)) + header + unit
            sequence += 1
        frames.append(packets)
    return frames


@contextmanager
def rtsp_camera(plays: Sequence[Play]) -> Iterator[tuple[str, Script]]:
    """Serve `plays`, of `encoded` pieces, at the address that is given."""
    script = Script(plays)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.02)
        clients: list[threading.Thread] = []

        def accept() -> None:
            while not script.over.is_set():
                try:
                    client, _ = listener.accept()
                except TimeoutError:
                    continue
                clients.append(threading.Thread(target=_talk, args=(client, script)))
                clients[-1].start()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"rtsp://user:secret@127.0.0.1:{listener.getsockname()[1]}/camera", script
        finally:
            script.over.set()
            for running in (thread, *clients):
                running.join()


def _talk(client: socket.socket, script: Script) -> None:
    client.settimeout(None)
    with client, client.makefile("rwb") as stream:
        try:
            while request := _request(stream):
                method, number = request
                stream.write(_answer(method, number))
                stream.flush()
                if method == "PLAY":
                    script.follow(client.sendall)
                    return
        except OSError:
            return


def _request(stream: BufferedRWPair) -> tuple[str, int] | None:
    lines: list[str] = []
    while (line := stream.readline().decode().strip()) or not lines:
        if not line:
            return None
        lines.append(line)
    number = re.search(r"CSeq: *(\d+)", "\n".join(lines), re.IGNORECASE)
    return lines[0].split()[0], int(number[1]) if number else 0


def _answer(method: str, number: int) -> bytes:
    headers, body = [f"CSeq: {number}"], ""
    if method == "OPTIONS":
        headers.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
    elif method == "DESCRIBE":
        body = _description()
        headers += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
    elif method == "SETUP":
        headers += ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1"]
    else:
        headers.append("Session: 1")
    return "\r\n".join(["RTSP/1.0 200 OK", *headers, "", body]).encode()


def _description() -> str:
    units = _access_units(1)[0]
    sets = ",".join(base64.b64encode(unit).decode() for unit in units if unit[0] & 31 in _PARAMETER_SETS)
    lines = [
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s=camera",
        "t=0 0",
        f"m=video 0 RTP/AVP {_PAYLOAD_TYPE}",
        f"a=rtpmap:{_PAYLOAD_TYPE} H264/90000",
        f"a=fmtp:{_PAYLOAD_TYPE} packetization-mode=1;sprop-parameter-sets={sets}",
        "a=framerate:25",
        "a=control:track",
    ]
    return "\r\n".join([*lines, ""])


def _access_units(count: int) -> list[list[bytes]]:
    """Return the NAL units of each of `count` numbered frames, without B-frames, a key frame every 10."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = WIDTH, HEIGHT, "yuv420p", Fraction(1, 25)
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "qp": "0", "g": "10"}
    packets = []
    for number in range(count):
        frame = numbered(number)
        frame.pts = number
        packets += codec.encode(frame)
    packets += codec.encode(None)
    return [[unit for unit in re.split(b"\x00\x00\x00?\x01", bytes(packet)) if unit] for packet in packets]
