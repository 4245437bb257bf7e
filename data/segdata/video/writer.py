"""Writes videos through PyAV: H.264 with copied sound, playable however the writing ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, cast

import av
from av.video.stream import VideoStream

from segdata.errors import InputError
from segdata.video.picture import COLORSPACES, Picture, Reformatter
from segdata.video.reader import AudioPacket, SoundStream, reason

Encoder = Literal["auto", "libx264", "h264_nvenc"]

# What FFmpeg can be trusted to copy into a container. Its own list is longer, and some of that ends the process.
_AUDIO_THAT_FITS_MOST = {"aac", "mp3"}
AUDIO_THAT_FITS = {
    "mp4": {"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"},
    "mov": {"aac", "mp3", "ac3", "alac", "pcm_s16le", "pcm_s24le"},
    "matroska": {"aac", "mp3", "ac3", "eac3", "opus", "vorbis", "flac", "alac", "pcm_s16le", "pcm_s24le"},
}

# Half of the cores: decoding and the network work at the same time.
_THREADS = str(max(1, (os.cpu_count() or 1) // 2))
_OPTIONS = {
    "libx264": {"preset": "ultrafast", "crf": "23", "threads": _THREADS},
    "h264_nvenc": {"preset": "p1", "cq": "23"},
}

# A file cut off at any byte plays up to the last second, and one that is finished is like any other.
_PLAYABLE_WHEN_CUT = {"movflags": "hybrid_fragmented+delay_moov", "frag_duration": "1000000"}
_SECONDS_BETWEEN_KEY_FRAMES = 2


class VideoWriter:
    """Writes pictures as H.264 with the audio of a source, if any.

    Frames whose size is odd are padded by one repeated row or column: H.264 with halved chroma needs even sizes. The
    first picture decides size and colours; later ones of others are made to fit. `frames_written` counts them;
    `audio_left_out` is the codec of an audio track that the container cannot hold. `shift` seconds are taken off all
    times.
    """

    def __init__(
        self,
        path: Path,
        rate: Fraction,
        time_base: Fraction,
        *,
        audio: SoundStream | None = None,
        shift: Fraction = Fraction(0),
        pixel_aspect: Fraction = Fraction(1),
        encoder: Encoder = "libx264",
        shown_as: Path | None = None,
    ) -> None:
        """Open `path`; raise InputError if its suffix names no container FFmpeg can write H.264 into.

        Errors speak of `shown_as`, where `path` is only temporary.
        """
        self.path = shown_as or path
        self.encoder = working_encoder() if encoder == "auto" else encoder
        try:
            options = _PLAYABLE_WHEN_CUT if path.suffix in {".mp4", ".mov", ".m4v"} else {}
            self._container = av.open(str(path.absolute()), "w", container_options=options)
            stream = self._container.add_stream(self.encoder, rate=rate, options=_OPTIONS[self.encoder])
        except (av.FFmpegError, ValueError) as error:
            raise InputError(
                f"cannot write {self.path} ({reason(error)}); need a name like out.mp4 or out.mkv"
            ) from None
        self._stream = cast("VideoStream", stream)
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = time_base
        self._stream.codec_context.time_base = time_base
        self._stream.codec_context.sample_aspect_ratio = pixel_aspect
        self._stream.codec_context.gop_size = max(1, round(rate * _SECONDS_BETWEEN_KEY_FRAMES))
        self._shift = shift
        self.audio_left_out: str | None = None
        self._audio = None
        if audio is not None:
            decoder = audio.codec_context  # none where FFmpeg knows no codec of that kind
            codec = decoder.codec.canonical_name if decoder else "unknown"
            if codec in AUDIO_THAT_FITS.get(self._container.format.name, _AUDIO_THAT_FITS_MOST):
                self._audio = self._container.add_stream_from_template(audio)
            else:
                self.audio_left_out = codec
        self._waiting: list[AudioPacket] = []
        self._first: Picture | None = None
        self._reformatter = Reformatter()
        self._failed = False
        self.frames_written = 0

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, picture: Picture, pts: int) -> None:
        """Encode one picture, to be shown at `pts` of the writer's time base, less the shift.

        Raises InputError if FFmpeg cannot write it.
        """
        frame = self._fitted(picture).frame
        time_base = self._stream.codec_context.time_base
        frame.pts, frame.time_base = pts - round(self._shift / time_base), time_base
        with self._one_line_errors():
            self._container.mux(self._stream.encode(frame))
        self.frames_written += 1
        self._copy_waiting_audio()

    def write_audio(self, packet: AudioPacket) -> None:
        """Copy one packet of the audio stream the writer was opened with."""
        if self._audio is None:
            return
        self._waiting.append(packet)
        # The first packet muxed writes the header, which needs the size of the first frame.
        if self.frames_written:
            self._copy_waiting_audio()

    def close(self) -> None:
        """Flush the encoder and finish the file; raise InputError if FFmpeg cannot."""
        with self._one_line_errors():
            # Flushing into a container whose header could not be written crashes FFmpeg.
            if self.frames_written and not self._failed:
                self._container.mux(self._stream.encode())
            self._container.close()

    def _fitted(self, picture: Picture) -> Picture:
        picture = picture.even()
        if self._first is None:
            self._first = picture
            self._stream.height, self._stream.width = picture.height, picture.width
            self._stream.codec_context.colorspace = COLORSPACES[picture.coding.matrix]
            self._stream.codec_context.color_range = picture.frame.color_range
        return self._reformatter.fitted(picture, self._first)

    def _copy_waiting_audio(self) -> None:
        for packet in self._waiting:
            packet.stream = cast("SoundStream", self._audio)  # none waits where there is no audio
            if self._shift and packet.pts is not None and packet.dts is not None:
                shift = round(self._shift / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            with self._one_line_errors():
                self._container.mux(packet)
        self._waiting.clear()

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, ValueError) as error:
            self._failed = True
            raise InputError(f"cannot write {self.path} ({reason(error)}); try another place or format") from error


def working_encoder() -> Encoder:
    """Return the H.264 encoder of the graphics card if it encodes a frame, libx264 else."""
    try:
        codec = av.CodecContext.create("h264_nvenc", "w")
        codec.height, codec.width, codec.pix_fmt, codec.time_base = 256, 256, "yuv420p", Fraction(1, 25)
        codec.encode(av.VideoFrame(256, 256, "yuv420p"))
    except (av.FFmpegError, ValueError):
        return "libx264"
    return "h264_nvenc"
