"""A video file of the drawn pictures, with the source's times and sound."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from segdata.errors import EdgeSegError
from segdata.files import move_onto, on_disk, remove, temporary_beside
from segdata.spec import ModelSpec
from segdata.video.picture import Picture
from segdata.video.reader import AudioPacket
from segdata.video.writer import Encoder, VideoWriter
from segrun.frame import Segmented
from segrun.options import RunOptions
from segrun.sinks.base import Sink
from segrun.sources.base import Source


class VideoSink(Sink):
    """Writes H.264. `shift` seconds of the source are not shown: the video begins there."""

    shows = True

    def __init__(self, target: Path, source: Source, encoder: Encoder = "libx264", shift: float = 0) -> None:
        """Open a file beside `target`; raise InputError if its suffix names no container, or it cannot be written."""
        super().__init__()
        self._target, self._temporary = target, temporary_beside(target)
        with on_disk(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._writer = VideoWriter(
                self._temporary,
                source.rate,
                source.time_base,
                audio=source.audio,
                shift=source.starts_at + Fraction(str(shift)) if shift else Fraction(0),
                pixel_aspect=source.pixel_aspect,
                encoder=encoder,
                shown_as=target,
            )
        except BaseException:
            remove(self._temporary)
            raise
        if self._writer.audio_left_out:
            lack = f"{target.suffix} cannot hold {self._writer.audio_left_out}"
            self.remarks.append(f"audio left out: {lack}; try -o NAME.mkv")

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Encode one frame."""
        if picture is not None:
            self._writer.write(picture, segmented.frame.pts)

    def write_audio(self, packet: AudioPacket) -> None:
        """Copy one packet."""
        self._writer.write_audio(packet)

    def finish(self) -> None:
        """Move the file into place, complete or, if the disk is full, as far as it came: it plays to there."""
        try:
            self._writer.close()
        finally:
            if self._writer.frames_written:
                move_onto(self._target, self._temporary)
                self.path = self._target
            else:
                remove(self._temporary)

    def discard(self) -> None:
        """Remove the file."""
        with suppress(EdgeSegError):
            self._writer.close()
        with suppress(OSError):
            remove(self._temporary)


def open_sink(name: str, options: RunOptions, source: Source, _: ModelSpec) -> Sink:
    """Open it."""
    return VideoSink(Path(name), source, options.encoder, options.start)
