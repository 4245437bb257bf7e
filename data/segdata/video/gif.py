"""Writes animated GIFs through PyAV: each picture with the 255 colours that suit it best."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.filter import Graph

from segdata.video.track_file import TrackFile

HUNDREDTH = Fraction(1, 100)
"""The unit of a GIF's times, in seconds."""

# A dither that is the same in every picture: with others, still areas flicker and the file grows.
_DITHER = "bayer:bayer_scale=5"


class GifWriter(TrackFile):
    """Writes RGB pictures of one size as a GIF that loops forever; holds one picture at a time."""

    def __init__(self, path: Path, height: int, width: int, rate: Fraction, shown_as: Path) -> None:
        """Open `path`; raise InputError if it cannot be written. `rate` is pictures a second, about.

        Errors name `shown_as`: `path` may be only temporary.
        """
        super().__init__(shown_as)
        with self._one_line_errors():
            # Flushed after each picture, to know which are on the disk when it is full.
            self._container = av.open(
                str(path.absolute()), "w", format="gif", options={"loop": "0", "flush_packets": "1"}
            )
        self._stream = self._container.add_stream("gif", rate=rate)
        self._stream.height, self._stream.width, self._stream.pix_fmt = height, width, "pal8"
        self._stream.codec_context.time_base = HUNDREDTH
        self._colours = _best_colours(height, width)

    def write(self, image: npt.NDArray[np.uint8], hundredths: int) -> None:
        """Write one picture, RGB uint8 [H, W, 3], shown `hundredths` of a second after the start; they must grow.

        Raises InputError if FFmpeg cannot write it.
        """
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = hundredths, HUNDREDTH
        with self._one_line_errors():
            self._colours.vpush(frame)
            self._container.mux(self._stream.encode(self._colours.vpull()))
        self.frames_written += 1

    @property
    def usable(self) -> bool:
        """Whether the file shows anything; to be asked after `close`."""
        # FFmpeg holds a picture back until the next one says how long it is shown.
        return self.frames_written > (1 if self._failed else 0)


def _best_colours(height: int, width: int) -> Graph:
    """Return a filter graph that gives each RGB picture its own palette."""
    graph = Graph()
    source = graph.add_buffer(
        width=width, height=height, format=av.VideoFormat("rgb24", width, height), time_base=HUNDREDTH
    )
    split = graph.add("split")
    choose = graph.add("palettegen", "stats_mode=single")
    use = graph.add("paletteuse", f"new=1:dither={_DITHER}")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(choose, 1, 0)
    choose.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph
