"""Says of frames that they are interlaced: FFmpeg's encoders ask each frame, and PyAV cannot set what they ask for."""

from fractions import Fraction

import av
from av.filter import Graph

from segdata.video.display import Fields

FIELD_ORDERS: dict[Fields, int] = {"none": 1, "top first": 2, "bottom first": 3}
"""FFmpeg's AVFieldOrder."""

_MODES: dict[Fields, str] = {"none": "prog", "top first": "tff", "bottom first": "bff"}


class FieldMarker:
    """Marks frames of one size and format; their pixels are not copied."""

    def __init__(self, fields: Fields, like: av.VideoFrame) -> None:
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=like.width, height=like.height, format=like.format, time_base=Fraction(1, 1000)
        )
        mark, sink = self._graph.add("setfield", _MODES[fields]), self._graph.add("buffersink")
        source.link_to(mark)
        mark.link_to(sink)
        self._graph.configure()

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return `frame`, marked, without a time."""
        self._graph.vpush(frame)
        return self._graph.vpull()
