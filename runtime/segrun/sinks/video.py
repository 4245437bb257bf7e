"""A video file of the drawn pictures, with the source's times and sound."""

from contextlib import suppress
from fractions import Fraction
from itertools import chain, count
from pathlib import Path

from segdata.errors import EdgeSegError
from segdata.files import move_onto, on_disk, remove, temporary_beside
from segdata.video.encoder import Encoder
from segdata.video.picture import Picture
from segdata.video.sound import AudioPacket, AudioPolicy
from segdata.video.writer import VideoSettings, VideoWriter
from segrun.frame import Segmented
from segrun.sinks.base import Output, Sink
from segrun.sources.base import Source


class VideoSink(Sink):
    """Writes H.264 with the source's sound, as `audio` says.

    The video begins `shift` seconds after the source does, or, by default, about where the source does.
    """

    shows = True

    def __init__(
        self, target: Path, source: Source, encoder: Encoder = "libx264", shift: float = 0, audio: AudioPolicy = "copy"
    ) -> None:
        """Open a file beside `target`; raise InputError if its suffix names no container, or it cannot be written."""
        super().__init__()
        self._target, self._temporary = target, temporary_beside(target)
        self._audio = audio
        with on_disk(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        try:
            settings = VideoSettings(
                audio=source.audio,
                policy=audio,
                begins_at=source.starts_at + Fraction(str(shift)) if shift else None,
                metadata=source.recorded,
                encoder=encoder,
            )
            self._writer = VideoWriter(self._temporary, source.rate, source.time_base, settings, shown_as=target)
        except BaseException:
            remove(self._temporary)
            raise

    @classmethod
    def opened(cls, output: Output) -> "VideoSink":
        """Return the sink of a video file."""
        options = output.options
        return cls(output.path, output.source, options.encoder, options.start, options.audio)

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Encode one frame."""
        if picture is not None:
            self._writer.write(picture, segmented.frame.pts)

    def write_audio(self, packet: AudioPacket) -> None:
        """Copy one packet."""
        self._writer.write_audio(packet)

    def finish(self) -> None:
        """Move the file into place, complete or, if the disk is full, as far as it came: that part plays.

        A failed file never replaces another one: it is put beside it.
        """
        try:
            self._writer.close()
        finally:
            if self._writer.audio_left_out:
                instead = "; try --audio encode" if self._audio == "copy" else ""
                self.remarks.append(f"{self._target}: audio left out: {self._writer.audio_left_out}{instead}")
            if self._writer.usable:
                self.path = _unused(self._target) if self._writer.failed else self._target
                move_onto(self.path, self._temporary)
            else:
                remove(self._temporary)

    def discard(self) -> None:
        """Remove the file."""
        with suppress(EdgeSegError):
            self._writer.close()
        with suppress(OSError):
            remove(self._temporary)


def _unused(target: Path) -> Path:
    """Return `target`, or a similar name that is free."""
    names = (target.with_name(f"{target.stem}.part{number}{target.suffix}") for number in count(1))
    return next(path for path in chain([target], names) if not path.exists())
