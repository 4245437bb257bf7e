"""Writes each frame's labels into a lossless video."""

from fractions import Fraction
from pathlib import Path

from segdata.video.label_video import LabelVideoWriter
from segdata.video.picture import Picture
from segrun.frame import Segmented
from segrun.sinks.base import Output
from segrun.sinks.track import TrackSink


class LabelSink(TrackSink):
    """Writes NAME.labels.mkv: a class id a pixel, at the network's size, with the times of the frames."""

    _writer: LabelVideoWriter | None

    def __init__(self, target: Path, rate: Fraction, time_base: Fraction) -> None:
        """Prepare to write `target`, from a source of about `rate` frames a second; nothing is written yet."""
        super().__init__(target)
        self._rate, self._time_base = rate, time_base

    @classmethod
    def opened(cls, output: Output) -> "LabelSink":
        """Return the sink of a video of labels."""
        return cls(output.path, output.source.rate, output.source.time_base)

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Write one frame's labels; raise InputError if they cannot be written."""
        if self._writer is None:
            self._writer = LabelVideoWriter(
                self._temporary, self._rate, self._time_base, segmented.classes, self._target
            )
        self._writer.write(segmented.labels, segmented.frame.pts)
