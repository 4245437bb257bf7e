"""Reads videos through PyAV: every frame with its time, and the packets of the sound."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

from segdata.addresses import without_passwords
from segdata.errors import InputError
from segdata.video.picture import Reformatter
from segdata.video.timeline import Timeline

FALLBACK_RATE = Fraction(25)
"""Frames a second of a video that does not say."""

LARGEST_PICTURE = 8192 * 4352
"""How many pixels a frame may have: those of 8K video. FFmpeg itself would take 2 GB for one frame of a broken file."""

TIMED_OUT = "nothing came in time"
"""What `reason` says where FFmpeg waited for as long as it was allowed to."""

# A file, and what is piped, is read by itself: formats that list other files and addresses are for addresses alone.
_LISTS = {"concat", "dash", "hls", "image2", "imf", "rtsp", "sdp", "vobsub", "webm_dash_manifest"}
_ONE_FILE = {"format_whitelist": ",".join(sorted(av.formats_available - _LISTS)), "protocol_whitelist": "file"}

_PLAYLISTS = {"hls", "dash"}
_BROADCAST = {"aac", "flv", "h264", "hevc", "mjpeg", "mp3", "mpeg", "mpegts", "mpegvideo", "mpjpeg", "ogg"}
"""Formats that cameras and broadcasts send; of a server that names no size they have no end."""

_MICROSECONDS = 1_000_000  # the unit of a container's duration, AV_TIME_BASE
_NO_TIMESTAMPS = 0x80  # FFmpeg's AVFMT_NOTIMESTAMPS

# Of MPEG program streams. A packet's time there is that of the first frame that begins in it, and after a seek FFmpeg
# gives it to the rest of a frame that the packet begins with: the frames that follow have the times of others.
_WRONG_AFTER_SEEK = {"mpeg"}


if TYPE_CHECKING:
    AnyPacket = Packet[Any]  # generic in PyAV's types, not at run time
else:
    AnyPacket = Packet

AudioPacket = AnyPacket
"""Compressed audio, to be copied as it is."""


SoundStream = AudioStream
"""The stream that audio packets belong to; a writer copies its parameters."""


@dataclass(frozen=True)
class Decoded:
    """One frame as FFmpeg decoded it, to be turned left by `rotation` degrees and shown at `pts * time_base` seconds.

    `name` is the name of the file it came from without its suffix, if it had one of its own.
    """

    frame: av.VideoFrame
    pts: int
    time_base: Fraction
    rotation: int = 0
    name: str | None = None

    @classmethod
    def from_bgr(
        cls, image: npt.NDArray[np.uint8], pts: int, time_base: Fraction, name: str | None = None
    ) -> "Decoded":
        """Return an image as OpenCV reads it, BGR uint8 [H, W, 3], as a frame."""
        return cls(av.VideoFrame.from_ndarray(image, format="bgr24"), pts, time_base, name=name)

    @property
    def seconds(self) -> Fraction:
        """When the frame is shown."""
        return self.pts * self.time_base


class VideoReader:
    """Reads the best video stream of a file, an address or a pipe, and hands its audio packets through.

    `rate` is frames a second; `expected_frames` is what the file declares or its duration implies, None if neither, as
    for a stream without an end. `starts_at` is the time of the first frame in seconds. `corrupt_packets` counts what
    could not be decoded so far; the frames around it are still read. `broke_off` is why FFmpeg read no further, None
    if it came to the end. `timed` says that the frames carry times; else they are counted by the rate. `endless` says
    that there is no end by nature, as of a camera.
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
        """Open a file (a Path), an address FFmpeg knows (a str), or what an open file holds.

        `timeout` is how many seconds opening, and each read, may take; `format` and `options` are FFmpeg's, for what
        cannot be told from the content. `shown_as` is what errors call it. Raises InputError if it is no
        video.
        """
        self.name = shown_as or str(video if isinstance(video, Path | str) else getattr(video, "name", "the pipe"))
        if isinstance(video, Path) and not video.is_file():
            raise InputError(f"{video}: no such file; need a video")
        self._busy, self._closed = threading.Lock(), False
        try:
            # Absolute: FFmpeg takes what stands before a colon, as in 12:30.mp4, for the kind of an address.
            opened = str(video.absolute()) if isinstance(video, Path) else video
            allowed = {} if isinstance(video, str) else _ONE_FILE
            self._container = av.open(
                opened, "r", format=format, options={**allowed, **(options or {})}, timeout=timeout
            )
        except av.ProtocolNotFoundError:
            raise InputError(f"{self.name}: FFmpeg here reads no such addresses; try rtsp:// or http://") from None
        except (av.FFmpegError, ValueError, OSError) as error:
            lack = "no video comes from there" if isinstance(video, str) else "not a video FFmpeg can read"
            raise InputError(f"{self.name}: {lack} ({reason(error)}); need one") from None
        stream = self._container.streams.best("video")
        if isinstance(stream, VideoStream) and stream.codec_context is None:
            self.close()
            raise InputError(f"{self.name}: its video is in no format FFmpeg here can decode; need another")
        if not isinstance(stream, VideoStream):
            kinds = ", ".join(sorted({other.type for other in self._container.streams})) or "no streams"
            self.close()
            raise InputError(f"{self.name}: has {kinds} but no video; need a file with a video stream")
        self._stream = stream
        context = stream.codec_context
        if context.width * context.height > LARGEST_PICTURE:
            self.close()
            raise InputError(
                f"{self.name}: says {context.width}x{context.height} pixels, need {LARGEST_PICTURE} or less"
            )
        context.options = {"max_pixels": str(LARGEST_PICTURE)}  # the size may change on the way
        audio = self._container.streams.best("audio")
        self.audio = audio if isinstance(audio, AudioStream) else None
        self.rate = Fraction(stream.average_rate or stream.guessed_rate or FALLBACK_RATE)
        self.time_base = stream.time_base or 1 / self.rate
        self.starts_at = (stream.start_time or 0) * self.time_base
        self.pixel_aspect = Fraction(stream.codec_context.sample_aspect_ratio or 1)
        self.expected_frames = self._expected_frames()
        # A thread a frame holds back as many frames as there are threads: too late for what is live.
        self.endless = isinstance(video, str) and self.expected_frames is None and self._has_no_end(video)
        stream.thread_type = "SLICE" if self.endless else "AUTO"
        self.corrupt_packets = 0
        self.broke_off: str | None = None
        self.timed = not self._container.format.flags & _NO_TIMESTAMPS
        # To try and fail costs a pipe, and a file without times, the frames that were looked through.
        known = self.timed and self._container.format.name not in _WRONG_AFTER_SEEK
        self._seekable = known and (isinstance(video, Path | str) or video.seekable())
        self._picture_times, self._sound_times = Timeline(), Timeline()

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file: at once, or, if another thread is reading, when what it waits for has come or timed out."""
        self._closed = True
        if self._busy.acquire(blocking=False):
            self._container.close()
            self._busy.release()

    def seek(self, seconds: Fraction) -> bool:
        """Go on reading at a key frame near `seconds`, in most formats before it; return False if that cannot be.

        Reading then goes on where it was.
        """
        if not self._seekable:
            return False
        self.broke_off = None
        self._picture_times, self._sound_times = Timeline(), Timeline()
        try:
            self._container.seek(int(seconds * _MICROSECONDS))
        except av.FFmpegError:
            return False
        return True

    def read(self) -> Iterator[Decoded | AudioPacket]:
        """Yield every frame in order of showing, and the packets of the audio stream as they come between them."""
        wanted = [self._stream, self.audio] if self.audio else [self._stream]
        packets = self._container.demux(*wanted)
        while (items := self._next_items(packets)) is not None:
            yield from items

    def _next_items(self, packets: Iterator[AnyPacket]) -> list[Decoded] | list[AudioPacket] | None:
        """Return what the next packet holds; None at the end, and after `close`."""
        if self.broke_off:
            return None
        with self._busy:  # FFmpeg crashes if its memory is freed meanwhile
            try:
                packet = None if self._closed else next(packets, None)
            except av.FFmpegError as error:  # a file that ends in the middle of a packet, or nothing came in time
                self.broke_off = reason(error)
                self.corrupt_packets += 1
                return list(self._decode(None))
            if self._closed:
                self._container.close()
                return None
            if packet is None:
                return None
            if packet.stream is self._stream:
                return list(self._decode(packet))
            return [self._continued(packet, packet.dts)] if packet.dts is not None else []

    def frames(self) -> Iterator[Decoded]:
        """Yield every frame in order of showing."""
        return (item for item in self.read() if isinstance(item, Decoded))

    def images(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield every frame in order of showing as RGB, uint8 [H, W, 3], upright."""
        reformatter = Reformatter()
        return (reformatter.picture(item.frame, item.rotation).to_rgb() for item in self.frames())

    def _decode(self, packet: AnyPacket | None) -> Iterator[Decoded]:
        try:
            decoded = self._stream.codec_context.decode(cast("None", packet))
        except av.FFmpegError:
            self.corrupt_packets += 1
            return
        for frame in decoded:
            step = frame.duration or round(1 / (self.rate * self.time_base))
            pts = self._picture_times.continued(frame.pts, step)
            yield Decoded(frame, pts, self.time_base, frame.rotation)

    def _continued(self, packet: AudioPacket, dts: int) -> AudioPacket:
        shift = self._sound_times.continued(dts, packet.duration or 1) - dts
        packet.dts = dts + shift
        packet.pts = None if packet.pts is None else packet.pts + shift
        return packet

    def _has_no_end(self, address: str) -> bool:
        """Return whether an address that declares no duration is a camera or a broadcast, and not a file."""
        if not address.lower().startswith("http"):
            return True
        kinds = set(self._container.format.name.split(","))
        return bool(kinds & _PLAYLISTS) or (self._container.size <= 0 and bool(kinds & _BROADCAST))

    def _expected_frames(self) -> int | None:
        if self._stream.frames:
            return self._stream.frames
        if self._container.duration:
            return round(self._container.duration * self.rate / _MICROSECONDS)
        return None


def is_pixel_format(name: str) -> bool:
    """Return whether FFmpeg has pixels laid out as `name` says."""
    try:
        return bool(av.VideoFormat(name).components)
    except ValueError:
        return False


def reason(error: Exception) -> str:
    """Return what FFmpeg says of an error, without its numbers."""
    if isinstance(error, av.ExitError):
        return TIMED_OUT
    return without_passwords(str(getattr(error, "strerror", None) or error))
