"""Writes the drawn pictures as an animated GIF."""

from fractions import Fraction
from pathlib import Path

from segdata.files import on_disk
from segdata.video.gif import HUNDREDTH, GifWriter
from segdata.video.picture import Picture, Reformatter
from segrun.frame import Segmented
from segrun.sinks.base import Output
from segrun.sinks.track import TrackSink

MOST_WIDTH = 640  # pixels: a GIF of more is tens of megabytes within seconds
LEAST_STEP = 2  # hundredths of a second between pictures: players show faster ones at a tenth of the speed


class GifSink(TrackSink):
    """Writes a GIF that loops forever, at most 640 pixels wide and at most 50 pictures a second.

    The first picture is shown at once, the others as long after it as in the source.
    """

    shows = True
    _writer: GifWriter | None

    def __init__(self, target: Path, rate: Fraction) -> None:
        """Prepare to write `target`, from a source of about `rate` frames a second; nothing is written yet."""
        super().__init__(target)
        self._rate = rate
        self._reformatter = Reformatter()
        self._size = (0, 0)
        self._starts_at = 0.0
        self._last = -LEAST_STEP
        self._left_out = 0

    @classmethod
    def opened(cls, output: Output) -> "GifSink":
        """Return the sink of a GIF."""
        return cls(output.path, output.source.rate)

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Take one picture; raise InputError if it cannot be written."""
        assert picture is not None, "a GIF shows the drawn picture"
        seconds = segmented.frame.seconds
        if self._writer is None:
            self._starts_at = seconds
            self._writer = self._open(picture)
        hundredths = round((seconds - self._starts_at) / HUNDREDTH)
        if hundredths < self._last + LEAST_STEP:
            self._left_out += 1
            return
        self._last = hundredths
        self._writer.write(self._reformatter.rgb(picture, *self._size), hundredths)

    def finish(self) -> None:
        """Complete the file and move it into place; raise InputError if that cannot be done."""
        super().finish()
        if self._left_out:
            self.remarks.append(
                f"{self._target}: {self._left_out} frames left out: a GIF shows at most 50 a second; a video has all"
            )

    def _open(self, picture: Picture) -> GifWriter:
        width = min(picture.width, MOST_WIDTH)
        height = max(1, round(picture.height * width / picture.width))
        self._size = height, width
        if width < picture.width:
            self.remarks.append(f"{self._target}: shrunk to {width}x{height}: a larger GIF would be too big to share")
        with on_disk(self._target):
            self._target.parent.mkdir(parents=True, exist_ok=True)
        return GifWriter(self._temporary, height, width, self._rate, self._target)
