"""Cameras and videos at an address."""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

from segdata.errors import InputError
from segdata.text import without_password
from segdata.video.container import TIMED_OUT
from segdata.video.reader import AudioPacket, Decoded, VideoReader
from segrun.sources.base import SourceKind
from segrun.sources.live_clock import TIME_BASE, LiveClock

SCHEMES = ("rtsp", "rtsps", "rtp", "rtmp", "rtmps", "srt", "http", "https", "udp", "tcp")
"""The schemes of supported addresses."""

_OPTIONS = {
    "rtsp": {"rtsp_transport": "tcp"},  # a packet lost over UDP is a grey picture until the next key frame
    "http": {"reconnect": "1"},  # a file continues where its connection was lost
    "udp": {"overrun_nonfatal": "1"},  # a late reader loses frames, not the stream
}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0  # seconds between two tries


class NetworkSource:
    """A video at an address: `live` if it has no end, else like a file, with its sound.

    A live one that breaks off, ends or is silent for `timeout` seconds is opened again, for at most `reconnect`
    seconds; `reconnects` counts how often that succeeded. Its times begin at zero and continue across that. Its sound
    is left out. `corrupt_packets` counts what could not be decoded so far.
    """

    def __init__(self, address: str, timeout: float, reconnect: float) -> None:
        """Open `address`; raise InputError if it is invalid, or no video comes from it within `timeout` seconds."""
        scheme = address.partition("://")[0]
        if scheme.lower() not in SCHEMES:
            known = ", ".join(f"{known}://" for known in SCHEMES)
            shown = without_password(address)
            raise InputError(f"{shown}: {scheme}:// is not supported; need {known} or the name of a file")
        self.name = without_password(address)
        self._address = address
        self._timeout, self._reconnect = timeout, reconnect
        self._closed = threading.Event()
        self._reader = reader = self._opened()
        self.expected_frames = reader.expected_frames
        self.live = reader.endless
        self.rate = reader.rate
        self.time_base = TIME_BASE if self.live else reader.time_base
        self.starts_at = Fraction(0) if self.live else reader.starts_at
        self.recorded: Mapping[str, str] = {} if self.live else reader.recorded
        self.audio = None if self.live else reader.audio
        self.corrupt_packets = self.reconnects = 0
        self.bursts = 1  # cameras first send everything since the last key frame at once

    def read(self) -> Iterator[Decoded | AudioPacket]:
        """Yield every frame in display order, and the packets of a file's sound.

        Raises InputError, after the last frame that came, if the connection was lost for good. If `reconnect` is 0, a
        live source that hangs up has ended; a silent one is lost.
        """
        return self._read_live() if self.live else self._read_file()

    def seek(self, seconds: Fraction) -> bool:
        """Go on reading a file near `seconds`; return False if it is live."""
        if self.live:
            return False
        if seconds > self.starts_at:
            self._reader.seek(seconds)
        else:  # FFmpeg cannot go back if the server sends only from the beginning
            self._reader.close()
            self._reader = self._opened()
        return True

    def close(self) -> None:
        """Release the connection. If another thread is reading, its `read` ends, at the latest after `timeout`."""
        self._closed.set()
        self._reader.close()

    def _opened(self) -> VideoReader:
        options = _OPTIONS.get(self._address.partition(":")[0].lower().removesuffix("s"))
        return VideoReader(self._address, timeout=self._timeout, options=options, shown_as=self.name)

    def _read_file(self) -> Iterator[Decoded | AudioPacket]:
        reader = self._reader
        for item in reader.read():
            self.corrupt_packets = _undecodable(reader)
            yield item
        if reader.broke_off and not self._closed.is_set():
            raise InputError(f"{self.name}: broke off ({reader.broke_off}); try again")

    def _read_live(self) -> Iterator[Decoded]:
        clock, corrupt_before = LiveClock(), 0
        lost_at: float | None = None
        while not self._closed.is_set():
            reader = self._reader
            for item in reader.read():
                self.corrupt_packets = corrupt_before + _undecodable(reader)
                if isinstance(item, Decoded):
                    if not reader.broke_off:  # otherwise it had only waited in the decoder
                        lost_at = None
                    pts = clock.pts(item.seconds if reader.timed else None)
                    yield replace(item, pts=pts, time_base=self.time_base)
            reader.close()
            corrupt_before = self.corrupt_packets
            lost_at = lost_at or time.perf_counter()
            if not self._reopened(lost_at + self._reconnect):
                timed_out = reader.broke_off == TIMED_OUT
                if self._closed.is_set() or not (self._reconnect or timed_out):
                    return
                silence = time.perf_counter() - lost_at + (self._timeout if timed_out else 0)
                reason = reader.broke_off or "the stream ended"
                raise InputError(f"{self.name}: silent for {silence:.0f} seconds ({reason}); is it on and connected?")
            self.reconnects += 1
            self.bursts += 1
            clock.restart()
        self._reader.close()  # one that was opened while this was closed

    def _reopened(self, give_up_at: float) -> bool:
        """Open the address again; return False if it is too late, or the source was closed meanwhile."""
        pause = _FIRST_PAUSE
        while time.perf_counter() < give_up_at and not self._closed.wait(pause):
            try:
                self._reader = self._opened()
            except InputError:
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return True
        return False


def _undecodable(reader: VideoReader) -> int:
    """Return how many packets could not be decoded, without the one that never came."""
    return reader.corrupt_packets - (reader.broke_off is not None)


def is_address(word: str) -> bool:
    """Return whether a word is an address of any kind; one letter is a drive of Windows."""
    return re.match(r"[a-z][a-z0-9+.-]+://", word, re.IGNORECASE) is not None


def name_of_address(word: str) -> str:
    """Return what the results of an address are named after; raise InputError if it is not an address."""
    shown = without_password(word)
    try:
        address = urlsplit(shown)
        name = Path(address.path).stem or address.hostname or address.scheme
    except ValueError as error:  # a bracket that is not closed
        raise InputError(f"{shown}: not an address ({error}); need one like rtsp://camera/street") from None
    return re.sub(r"[^\w.-]+", "_", name)


KIND = SourceKind(
    takes=is_address,
    open=lambda word, options: NetworkSource(word, options.timeout, options.reconnect),
    name=name_of_address,
    live=True,
)
