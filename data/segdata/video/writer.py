"""Writes videos through PyAV: H.264 with the sound of a source, playable however the writing ends."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
from av.video.stream import VideoStream

from segdata.cores import usable_cores
from segdata.errors import InputError
from segdata.video.container import reason
from segdata.video.copied_sound import UNTIMED_SOUND, longest_packet
from segdata.video.encoded_sound import sound_track
from segdata.video.encoder import Encoder
from segdata.video.h264 import ANYWHERE, SETTINGS, FieldMarker, describe, working_encoder
from segdata.video.picture import Picture, Reformatter
from segdata.video.sound import AnyPacket, AudioPacket, AudioPolicy, SoundStream, SoundTrack

# A file cut off at any byte plays up to the last second, and a finished one is like any other.
_PLAYABLE_WHEN_CUT = {"movflags": "hybrid_fragmented+delay_moov", "frag_duration": "1000000"}
_SECONDS_BETWEEN_KEY_FRAMES = 2

_WAIT_FOR_SOUND = 10  # seconds of pictures that wait for the first packet of sound, which says how it is written
_FIRST_PACKETS = 8  # packets of the sound that are tried before it is written

# A source that begins within these seconds of zero keeps its times; any other begins at zero in the file.
_ABOUT_ZERO = Fraction(-1, 5), Fraction(1, 10)

_FINEST = 1_000_000  # ticks a second: in finer units, MP4 could hold pictures of less than half an hour
_EVEN_STEPS = UNTIMED_SOUND  # formats whose pictures come in even steps; a step without a picture costs an empty packet
_MOST_EMPTY = 50_000


@dataclass(frozen=True, kw_only=True)
class VideoSettings:
    """How a video is written: with which sound and encoder, and `metadata`, what the file says about itself.

    The file begins at `begins_at` seconds of the source: by default at zero, or with the first picture or sound if that
    is elsewhere.
    """

    audio: SoundStream | None = None
    policy: AudioPolicy = "copy"
    begins_at: Fraction | None = None
    metadata: Mapping[str, str] | None = None
    encoder: Encoder = "libx264"


class VideoWriter:
    """Writes pictures as H.264 with the audio of a source, if any.

    Frames whose size is odd are padded by one repeated row or column: H.264 with halved chroma needs even sizes. The
    first picture decides size, colours, the shape of pixels and whether there are fields; later ones are made to fit.
    `frames_written` counts them. `audio_left_out` is why the sound is not in the file, None if it is. `failed` says
    that something could not be written, `usable` that what was written before plays.
    """

    def __init__(
        self,
        path: Path,
        rate: Fraction,
        time_base: Fraction,
        settings: VideoSettings = VideoSettings(),
        shown_as: Path | None = None,
    ) -> None:
        """Open `path`; raise InputError if its suffix names no container FFmpeg can write H.264 into.

        Pictures come with times in units of `time_base`. Errors name `shown_as`, where `path` is only temporary.
        """
        self.path = shown_as or path
        self.encoder = working_encoder() if settings.encoder == "auto" else settings.encoder
        try:
            options = _PLAYABLE_WHEN_CUT if path.suffix in {".mp4", ".mov", ".m4v"} else {}
            self._container = av.open(str(path.absolute()), "w", container_options=options)
            # Half of the cores: decoding and the network work at the same time.
            threads = {"threads": str(max(1, usable_cores() // 2))} if self.encoder == "libx264" else {}
            stream = self._container.add_stream(self.encoder, rate=rate, options={**SETTINGS[self.encoder], **threads})
        except (av.FFmpegError, ValueError) as error:
            raise InputError(
                f"cannot write {self.path} ({reason(error)}); need a name like out.mp4 or out.mkv"
            ) from None
        self._even_steps = self._container.format.name in _EVEN_STEPS
        self._source_base, self._time_base = time_base, max(time_base, Fraction(1, _FINEST))
        if self._even_steps:
            self._time_base = 1 / rate
        self._longest = _MOST_EMPTY if self._even_steps else int(longest_packet(self._time_base) / self._time_base)
        self._stream = cast("VideoStream", stream)
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = self._time_base
        self._stream.codec_context.time_base = self._time_base
        self._container.metadata.update(settings.metadata or {})
        self._stream.codec_context.gop_size = max(1, round(rate * _SECONDS_BETWEEN_KEY_FRAMES))
        self._source_audio = settings.audio if settings.policy != "none" else None
        self._policy = settings.policy
        self._begins_at = settings.begins_at
        self._audio: SoundTrack | None = None
        self.audio_left_out: str | None = None
        self._waiting: list[AudioPacket] = []
        self._encoded: list[AnyPacket] = []
        self._started = False
        self._first: Picture | None = None
        self._marker: FieldMarker | None = None
        self._first_ticks = self._last_ticks = 0
        self._last: av.VideoFrame | None = None
        self._reformatter = Reformatter()
        self.failed = self.usable = False
        self.frames_written = 0

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, picture: Picture, pts: int) -> None:
        """Encode one picture, to be shown at `pts` of the source's time base.

        Raises InputError if FFmpeg cannot write it.
        """
        frame = self._fitted(picture).frame
        ticks = round(pts * self._source_base / self._time_base)
        with self._one_line_errors():
            frame = self._marker(frame) if self._marker else frame
            if self._last is None:
                self._first_ticks = ticks
            else:
                self._fill_until(ticks - self._first_ticks)
            self._encode(frame, ticks - self._first_ticks)
        self.frames_written += 1

    def write_audio(self, packet: AudioPacket) -> None:
        """Write one packet of the audio stream the writer was opened with; raise InputError if FFmpeg cannot."""
        if self._audio is not None:
            with self._one_line_errors():
                self._audio.write(packet, self._origin)
        elif self._source_audio is not None and not self._started:
            self._waiting.append(packet)

    def close(self) -> None:
        """Flush the encoders and finish the file; raise InputError if FFmpeg cannot."""
        with self._one_line_errors():
            # Flushing into a container whose header could not be written crashes FFmpeg.
            if self.frames_written and not self.failed:
                self._mux(self._stream.encode())
                if not self._started:
                    self._start()
                if self._audio is not None:
                    self._audio.finish()
            self._container.close()

    def _fill_until(self, ticks: int) -> None:
        """Repeat the last picture where it is shown for longer than the container can say."""
        assert self._last is not None
        while ticks - self._last_ticks > self._longest:
            self._encode(self._last, self._last_ticks + self._longest)

    def _encode(self, frame: av.VideoFrame, ticks: int) -> None:
        if self._last is not None and ticks <= self._last_ticks:
            if self._time_base <= self._source_base:
                raise ValueError("times go back")
            ticks = self._last_ticks + 1
        frame.pts, frame.time_base = ticks, self._time_base
        self._last, self._last_ticks = frame, ticks
        self._mux(self._stream.encode(frame))
        ready = self._source_audio is None or self._waiting or ticks * self._time_base >= _WAIT_FOR_SOUND
        if not self._started and ready:
            self._start()

    def _mux(self, packets: list[AnyPacket]) -> None:
        if not self._started:
            self._encoded += packets
            return
        for packet in packets:
            for name in ("pts", "dts"):
                setattr(packet, name, getattr(packet, name) + self._offset)
            self._container.mux(packet)
            self.usable = True

    def _start(self) -> None:
        """Begin the file: its start and its sound are known now."""
        self._origin = self._found_origin()
        self._offset = self._first_ticks - round(self._origin / self._time_base)
        if self._source_audio is not None:
            first = self._waiting[:_FIRST_PACKETS]
            self._audio, self.audio_left_out = sound_track(self._container, self._source_audio, self._policy, first)
        self._started = True
        encoded, self._encoded = self._encoded, []
        self._mux(encoded)
        waiting, self._waiting = self._waiting, []
        for packet in waiting:
            self.write_audio(packet)

    def _found_origin(self) -> Fraction:
        picture = self._first_ticks * self._time_base
        if self._even_steps:  # in which the first picture is shown at once
            return picture
        if self._begins_at is not None:
            return self._begins_at
        first = min([picture, *(packet.seconds for packet in self._waiting[:1])])
        about_zero = _ABOUT_ZERO[0] <= first <= _ABOUT_ZERO[1] and picture >= 0
        return Fraction(0) if about_zero else first

    def _fitted(self, picture: Picture) -> Picture:
        picture = picture.even()
        if self._first is None:
            self._first = picture
            self._stream.height, self._stream.width = picture.height, picture.width
            self._marker = describe(self._stream.codec_context, picture)
        return self._reformatter.fitted(picture, self._first)

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, ValueError) as error:
            self.failed = True
            if self.encoder not in ANYWHERE and not self.frames_written:
                raise InputError(
                    f"{self.encoder} cannot encode here ({reason(error)}); it needs an NVIDIA card and its driver: "
                    "take --encoder libx264, or auto"
                ) from error
            raise InputError(f"cannot write {self.path} ({reason(error)}); try another place or format") from error
