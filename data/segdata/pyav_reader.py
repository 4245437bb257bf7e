"""Video files through PyAV: upright RGB frames with their timestamps in, H.264 with copied audio out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from segdata.errors import InputError

FALLBACK_RATE = Fraction(25)
"""Frames a second of a file that does not say."""

# What FFmpeg can be trusted to copy into a container. Its own list is longer, and some of that ends the process.
_AUDIO_THAT_FITS_MOST = {"aac", "mp3"}
AUDIO_THAT_FITS = {
    "mp4": {"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"},
    "mov": {"aac", "mp3", "ac3", "alac", "pcm_s16le", "pcm_s24le"},
    "matroska": {"aac", "mp3", "ac3", "eac3", "opus", "vorbis", "flac", "alac", "pcm_s16le", "pcm_s24le"},
}

_MICROSECONDS = 1_000_000  # the unit of a container's duration, AV_TIME_BASE


if TYPE_CHECKING:
    AnyPacket = Packet[Any]  # generic in PyAV's types, not at run time
else:
    AnyPacket = Packet

AudioPacket = AnyPacket
"""Compressed audio, to be copied as it is."""


@dataclass(frozen=True)
class Frame:
    """One decoded frame. `image` is RGB uint8 [H, W, 3], upright; it is shown at `pts * time_base` seconds."""

    image: npt.NDArray[np.uint8]
    pts: int
    time_base: Fraction


class VideoReader:
    """Reads the best video stream of a file, and hands its audio packets through.

    `rate` is frames a second; `expected_frames` is what the file declares or its duration implies, None if neither.
    `corrupt_packets` counts what could not be decoded so far; the frames around it are still read.
    """

    def __init__(self, path: Path) -> None:
        """Open `path`; raise InputError if it is no video."""
        if not path.is_file():
            raise InputError(f"{path}: no such file; need a video")
        try:
            self._container = av.open(str(path))
        except (av.FFmpegError, ValueError) as error:
            raise InputError(f"{path}: not a video FFmpeg can read ({_reason(error)}); need one") from None
        self.path = path
        stream = self._container.streams.best("video")
        if not isinstance(stream, VideoStream):
            kinds = ", ".join(sorted({other.type for other in self._container.streams})) or "no streams"
            self.close()
            raise InputError(f"{path}: has {kinds} but no video; need a file with a video stream")
        stream.thread_type = "AUTO"
        self._stream = stream
        audio = self._container.streams.best("audio")
        self.audio = audio if isinstance(audio, AudioStream) else None
        self.rate = Fraction(stream.average_rate or stream.guessed_rate or FALLBACK_RATE)
        self.expected_frames = self._expected_frames()
        self.corrupt_packets = 0
        self._next_pts = 0

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    @property
    def time_base(self) -> Fraction:
        """The unit of the frames' `pts`, in seconds."""
        return self._stream.time_base or 1 / self.rate

    def read(self) -> Iterator[Frame | AudioPacket]:
        """Yield every frame in order of showing, and the packets of the audio stream as they come between them."""
        wanted = [self._stream, self.audio] if self.audio else [self._stream]
        packets = self._container.demux(*wanted)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError:  # the file ends in the middle of a packet
                self.corrupt_packets += 1
                yield from self._decode(None)
                return
            if packet.stream is self._stream:
                yield from self._decode(packet)
            elif packet.dts is not None:
                yield packet

    def frames(self) -> Iterator[Frame]:
        """Yield every frame in order of showing."""
        return (item for item in self.read() if isinstance(item, Frame))

    def _decode(self, packet: AnyPacket | None) -> Iterator[Frame]:
        try:
            decoded = self._stream.codec_context.decode(cast("None", packet))
        except av.FFmpegError:
            self.corrupt_packets += 1
            return
        for frame in decoded:
            yield self._upright(frame)

    def _upright(self, frame: av.VideoFrame) -> Frame:
        # Full-range RGB by the matrix and range the file names; swscale's default, BT.601, where it names none.
        image = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
        if frame.rotation:
            image = np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)))
        pts = self._next_pts if frame.pts is None else frame.pts
        step = frame.duration or round(1 / (self.rate * self.time_base))
        self._next_pts = pts + max(step, 1)
        return Frame(image, pts, self.time_base)

    def _expected_frames(self) -> int | None:
        if self._stream.frames:
            return self._stream.frames
        if self._container.duration:
            return round(self._container.duration * self.rate / _MICROSECONDS)
        return None


class VideoWriter:
    """Writes RGB frames as H.264 (libx264, ultrafast: plays in browsers) with the audio of `audio_from`, if any.

    Frames whose size is odd are padded by one repeated row or column: H.264 with halved chroma needs even sizes.
    `frames_written` counts them; `audio_left_out` is the codec of an audio track that the container cannot hold.
    """

    def __init__(
        self,
        path: Path,
        rate: Fraction,
        time_base: Fraction,
        audio_from: VideoReader | None = None,
        shown_as: Path | None = None,
    ) -> None:
        """Open `path`; raise InputError if its suffix names no container FFmpeg can write H.264 into.

        Errors speak of `shown_as`, where `path` is only temporary.
        """
        self.path = shown_as or path
        try:
            self._container = av.open(str(path), "w")
            self._stream = self._container.add_stream(
                "libx264", rate=rate, options={"preset": "ultrafast", "crf": "23"}
            )
        except (av.FFmpegError, ValueError) as error:
            raise InputError(
                f"cannot write {self.path} ({_reason(error)}); need a name like out.mp4 or out.mkv"
            ) from None
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = time_base
        self._stream.codec_context.time_base = time_base
        self._stream.codec_context.colorspace = Colorspace.ITU709
        self._stream.codec_context.color_range = ColorRange.MPEG
        self.audio_left_out: str | None = None
        self._audio = None
        if audio_from is not None and audio_from.audio is not None:
            codec = audio_from.audio.codec_context.codec.canonical_name
            if codec in AUDIO_THAT_FITS.get(self._container.format.name, _AUDIO_THAT_FITS_MOST):
                self._audio = self._container.add_stream_from_template(audio_from.audio)
            else:
                self.audio_left_out = codec
        self._waiting: list[AudioPacket] = []
        self._failed = False
        self.frames_written = 0

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, image: npt.NDArray[np.uint8], pts: int) -> None:
        """Encode one RGB frame, uint8 [H, W, 3], to be shown at `pts` of the writer's time base."""
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self.frames_written == 0:
            self._stream.height, self._stream.width = image.shape[:2]
        rgb = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame = rgb.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
        frame.pts, frame.time_base = pts, self._stream.codec_context.time_base
        with self._one_line_errors():
            self._container.mux(self._stream.encode(frame))
        self.frames_written += 1
        self._copy_waiting_audio()

    def write_audio(self, packet: AudioPacket) -> None:
        """Copy one audio packet of the reader given as `audio_from`."""
        if self._audio is None:
            return
        self._waiting.append(packet)
        # The first packet muxed writes the header, which needs the size of the first frame.
        if self.frames_written:
            self._copy_waiting_audio()

    def _copy_waiting_audio(self) -> None:
        for packet in self._waiting:
            packet.stream = cast("AudioStream", self._audio)  # none waits where there is no audio
            with self._one_line_errors():
                self._container.mux(packet)
        self._waiting.clear()

    def close(self) -> None:
        """Flush the encoder and finish the file."""
        with self._one_line_errors():
            # Flushing into a container whose header could not be written crashes FFmpeg.
            if self.frames_written and not self._failed:
                self._container.mux(self._stream.encode())
            self._container.close()

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, ValueError) as error:
            self._failed = True
            raise InputError(f"cannot write {self.path} ({_reason(error)}); try another place or format") from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
