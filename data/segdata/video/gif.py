"""Writes animated GIFs through PyAV: each picture with the 255 colours that suit it best."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.filter import Graph

from segdata.errors import InputError
from segdata.video.reader import reason

HUNDREDTH = Fraction(1, 100)
"""The unit of a GIF's times, in seconds."""

# A dither that stands still from picture to picture: others boil where nothing moves, and the file grows.
_DITHER = "bayer:bayer_scale=5"


class GifWriter:
    """Writes RGB pictures of one size as a GIF that repeats without an end; holds one picture at a time.

    `pictures_written` counts them.
    """

    def __init__(self, path: Path, height: int, width: int, rate: Fraction, shown_as: Path) -> None:
        """Open `path`; raise InputError if it cannot be written. `rate` is pictures a second, about.

        Errors speak of `shown_as`: `path` may be only temporary.
        """
        self._shown_as = shown_as
        with self._one_line_errors():
            # Flushed after each picture, so that it is known which are on the disk when it is full.
            self._container = av.open(
                str(path.absolute()), "w", format="gif", options={"loop": "0", "flush_packets": "1"}
            )
        self._stream = self._container.add_stream("gif", rate=rate)
        self._stream.height, self._stream.width, self._stream.pix_fmt = height, width, "pal8"
        self._stream.codec_context.time_base = HUNDREDTH
        self._colours = _best_colours(height, width)
        self._failed = False
        self.pictures_written = 0

    def write(self, image: npt.NDArray[np.uint8], hundredths: int) -> None:
        """Write one picture, RGB uint8 [H, W, 3], shown `hundredths` of a second after the start; they must grow.

        Raises InputError if FFmpeg cannot write it.
        """
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = hundredths, HUNDREDTH
        with self._one_line_errors():
            self._colours.vpush(frame)
            self._container.mux(self._stream.encode(self._colours.vpull()))
        self.pictures_written += 1

    @property
    def usable(self) -> bool:
        """Whether the file shows anything; to be asked after `close`."""
        # FFmpeg holds a picture back until it knows from the next one how long it is shown.
        return self.pictures_written > (1 if self._failed else 0)

    def close(self) -> None:
        """Finish the file; raise InputError if FFmpeg cannot. What was written before an error stays."""
        with self._one_line_errors():
            if self.pictures_written and not self._failed:
                self._container.mux(self._stream.encode())
            self._container.close()

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, ValueError, OSError) as error:
            self._failed = True
            raise InputError(f"cannot write {self._shown_as} ({reason(error)}); choose another place") from error


def _best_colours(height: int, width: int) -> Graph:
    """Return a graph that gives each RGB picture back with a palette of its own."""
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
