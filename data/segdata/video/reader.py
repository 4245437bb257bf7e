"""Reads videos through PyAV: every frame with its time, and the packets of the sound."""

import threading
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream

from segdata.errors import InputError
from segdata.video.container import MICROSECONDS, expected_frames, has_no_end, open_video, reason, recorded
from segdata.video.frame_coding import unreadable
from segdata.video.frame_decoder import Decoded as Decoded  # what a reader yields, for those that import it
from segdata.video.frame_decoder import FrameDecoder
from segdata.video.frame_times import FrameTimes
from segdata.video.picture import Reformatter
from segdata.video.sound import AnyPacket
from segdata.video.sound import AudioPacket as AudioPacket
from segdata.video.sound import SoundStream as SoundStream
from segdata.video.timeline import Placed, Timeline

FALLBACK_RATE = Fraction(25)
"""Frames a second of a video that does not say its rate."""

_NO_TIMESTAMPS = 0x80  # FFmpeg's AVFMT_NOTIMESTAMPS
_MAY_JUMP = 0x200  # FFmpeg's AVFMT_TS_DISCONT: formats whose clock may start again within a file

_PICTURE, _SOUND = 0, 1  # the streams of a timeline

# Seconds: times further ahead than that belong to another clock. Formats whose clock cannot change say how long a
# picture stands still, and are believed for an hour.
_JUMP, _LONGEST_STANDSTILL = Fraction(10), Fraction(3600)

_WITHOUT_PTS = {"asf", "avi"}  # formats that only say when a frame is decoded
_MOST_KEPT = 1 << 26  # bytes of packets that are kept while no key frame comes


class VideoReader:
    """Reads the best video stream of a file, an address or a pipe, and hands its audio packets through.

    `rate` is frames a second; `expected_frames` is what the file declares or its duration implies, None if neither, as
    for a stream without an end. `starts_at` is the time of the first frame in seconds. `corrupt_packets` counts what
    could not be decoded so far; the frames around it are still read. `broke_off` is why FFmpeg stopped early, None
    if it came to the end. `timed` says that the frames carry times; else they are counted by the rate. `endless` says
    that there is no end, as with a camera. `recorded` is when and where it was recorded (`segdata.video.container`).
    """

    live, bursts = False, 0

    def __init__(
        self,
        video: Path | str | BinaryIO,
        *,
        timeout: float | None = None,
        format: str | None = None,
        options: Mapping[str, str] | None = None,
        shown_as: str | None = None,
    ) -> None:
        """Open a file (a Path), an address FFmpeg knows (a str), or the content of an open file.

        `timeout` is how many seconds opening, and each read, may take; `format` and `options` are FFmpeg's, for what
        the content does not say. `shown_as` is its name in errors. Raises InputError if it is not a video.
        """
        self.name = shown_as or str(video if isinstance(video, Path | str) else getattr(video, "name", "the pipe"))
        if isinstance(video, Path) and not video.is_file():
            raise InputError(f"{video}: no such file; need a video")
        self._busy, self._closed = threading.Lock(), False
        self._container, stream = open_video(video, self.name, timeout, format, options or {})
        self._stream = stream
        audio = self._container.streams.best("audio")
        self.audio = audio if isinstance(audio, AudioStream) else None
        self.rate = Fraction(stream.average_rate or stream.guessed_rate or FALLBACK_RATE)
        self.starts_at = (stream.start_time or 0) * Fraction(stream.time_base or 0)
        self.recorded = recorded(self._container.metadata, stream.metadata)
        self.expected_frames = expected_frames(self._container, stream, self.rate)
        self.endless = isinstance(video, str) and self.expected_frames is None and has_no_end(self._container, video)
        # With a thread a frame, as many frames as threads are held back: too late for live sources.
        self._at_once = self.endless
        stream.thread_type = "SLICE" if self._at_once else "AUTO"
        self.corrupt_packets = 0
        self.broke_off: str | None = None
        self.timed = not self._container.format.flags & _NO_TIMESTAMPS
        by_dts = self._container.format.name in _WITHOUT_PTS
        self._decoder = FrameDecoder(stream, self.rate, by_dts=by_dts, at_once=self._at_once)
        self.time_base = self._decoder.time_base
        self._may_jump = bool(self._container.format.flags & _MAY_JUMP)
        # After a jump within a file it is unknown how often its clock changed before, and a pipe cannot jump.
        self._seekable = not self._may_jump and (isinstance(video, Path | str) or video.seekable())
        self._skipped: list[Placed[AnyPacket]] = []
        self._restart()

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file: at once, or, if another thread is reading, when its read has ended or timed out."""
        self._closed = True
        if self._busy.acquire(blocking=False):
            self._container.close()
            self._busy.release()

    def seek(self, seconds: Fraction) -> bool:
        """Go on reading at a key frame near `seconds`, in most formats before it; return False if it cannot.

        Then reading goes on where it was. A source that cannot jump, or changes its clock on the way, is read up to
        there without decoding; it never goes back.
        """
        if not self.timed or self._decoder.counts:  # the time of a frame is known from all those before it
            return False
        if not self._seekable:
            return self._skip(seconds)
        self.broke_off = None
        self._restart()
        try:
            self._container.seek(int(seconds * MICROSECONDS))
        except av.FFmpegError:
            return False
        return True

    def read(self) -> Iterator[Decoded | AudioPacket]:
        """Yield every frame in display order, and the packets of the audio stream as they come between them."""
        skipped, self._skipped = self._skipped, []
        for placed in skipped:
            yield from self._read_placed(placed)
        while (placed_packets := self._next_placed()) is not None:
            for placed in placed_packets:
                yield from self._read_placed(placed)
        yield from self._rest()

    def _restart(self) -> None:
        """Forget the times of what was read."""
        streams = [self._stream, self.audio] if self.audio else [self._stream]
        self._packets = self._container.demux(*streams)
        self._timeline = Timeline[AnyPacket](len(streams), _JUMP if self._may_jump else _LONGEST_STANDSTILL)
        self._sound_times = FrameTimes[AnyPacket]()
        self._decoder.restart()
        self._skipped.clear()

    def _skip(self, seconds: Fraction) -> bool:
        """Read on to the last key frame before `seconds`, or as near as is known."""
        kept: list[Placed[AnyPacket]] = []
        size = 0
        while size < _MOST_KEPT and (placed_packets := self._next_placed()) is not None:
            for placed in placed_packets:
                packet = placed.item
                if placed.stream == _PICTURE and packet.dts is not None and placed.shift is not None:
                    shown = packet.dts * packet.time_base + placed.shift
                    if shown > seconds:
                        size = _MOST_KEPT
                    elif packet.is_keyframe:
                        kept, size = [other for other in kept if other.stream == _SOUND], 0
                kept.append(placed)
                size += packet.size
        self._skipped += kept
        return True

    def _next_placed(self) -> list[Placed[AnyPacket]] | None:
        """Return the packets whose time is known after reading the next one; None at the end, and after `close`."""
        if self.broke_off:
            return None
        with self._busy:  # FFmpeg crashes if its memory is freed meanwhile
            try:
                packet = None if self._closed else next(self._packets, None)
            except av.FFmpegError as error:  # a file that ends in the middle of a packet, or nothing came in time
                self.broke_off = reason(error)
                self.corrupt_packets += 1
                packet = None
            if self._closed:
                self._container.close()
                return None
            if packet is None:
                return list(self._timeline.end()) or None
            if not packet.size and packet.dts is None:  # PyAV's sign for the end
                return []
            stream = _PICTURE if packet.stream is self._stream else _SOUND
            if not self.timed or self._at_once:
                return [Placed(stream, packet, Fraction(0))]
            time = None if packet.dts is None else packet.dts * packet.time_base
            return list(self._timeline.put(stream, packet, time, (packet.duration or 0) * packet.time_base))

    def frames(self) -> Iterator[Decoded]:
        """Yield every frame in display order."""
        return (item for item in self.read() if isinstance(item, Decoded))

    def images(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield every frame in display order as RGB, uint8 [H, W, 3], upright."""
        reformatter = Reformatter()
        return (reformatter.image(item.frame, item.display) for item in self.frames())

    def _read_placed(self, placed: Placed[AnyPacket]) -> Iterator[Decoded | AudioPacket]:
        packet = placed.item
        if placed.stream == _PICTURE:
            yield from self._decoded(packet, placed.shift)
            return
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None:
            time = None if placed.shift is None else time + round(placed.shift / packet.time_base)
        for ready, pts in self._sound_times.put(packet, time, packet.duration or 1):
            yield AudioPacket(ready, pts, ready.time_base)

    def _rest(self) -> Iterator[Decoded | AudioPacket]:
        """Yield what the decoder still holds, and what still waits for the next time."""
        yield from self._decoded(None, None)
        yield from self._decoder.end()
        for packet, pts in self._sound_times.end():
            yield AudioPacket(packet, pts, packet.time_base)

    def _decoded(self, packet: AnyPacket | None, shift: Fraction | None) -> Iterator[Decoded]:
        with self._busy:
            try:
                decoded = [] if self._closed else self._decoder.decode(packet, shift)
            except av.FFmpegError:
                self.corrupt_packets += 1
                decoded = []
            finally:
                if self._closed:
                    self._container.close()
        for item in decoded:
            if coding := unreadable(item.frame):
                raise InputError(
                    f"{self.name}: its colours are coded as {coding}, which is not supported; convert it to BT.709"
                )
            yield item
