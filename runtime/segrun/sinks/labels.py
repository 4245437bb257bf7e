"""Writes each frame's labels into a lossless video."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from segdata.errors import InputError
from segdata.files import move_onto, remove, temporary_beside
from segdata.video.label_video import LabelVideoWriter
from segdata.video.picture import Picture
from segrun.frame import Segmented
from segrun.sinks.base import Output, Sink


class LabelSink(Sink):
    """Writes NAME.labels.mkv: a class id a pixel, at the network's size, with the times of the frames.

    The file appears when it is finished, with all that came until then.
    """

    def __init__(self, target: Path, rate: Fraction, time_base: Fraction) -> None:
        """Prepare to write `target`, from a source of about `rate` frames a second; nothing is written yet."""
        super().__init__()
        self._target, self._temporary = target, temporary_beside(target)
        self._rate, self._time_base = rate, time_base
        self._writer: LabelVideoWriter | None = None

    @classmethod
    def opened(cls, output: Output) -> "LabelSink":
        """Return the sink of a video of labels."""
        return cls(output.path, output.source.rate, output.source.time_base)

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Write one frame's labels; raise InputError if they cannot be."""
        if self._writer is None:
            self._writer = LabelVideoWriter(
                self._temporary, self._rate, self._time_base, segmented.classes, self._target
            )
        self._writer.write(segmented.labels, segmented.frame.pts)

    def finish(self) -> None:
        """Complete the file and move it into place; raise InputError if that cannot be done."""
        if self._writer is None:
            return
        try:
            self._writer.close()
        finally:
            if self._writer.frames_written:
                move_onto(self._target, self._temporary)
                self.path = self._target
            else:
                remove(self._temporary)

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(InputError, OSError):
            if self._writer is not None:
                self._writer.close()
        with suppress(OSError):
            remove(self._temporary)
