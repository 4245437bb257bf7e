"""Writes how pictures are shown into a file: matrix, range and transfer of colours, pixel aspect, fields."""

from fractions import Fraction

import av
from av.codec.context import Flags
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange

from segdata.video.display import Fields
from segdata.video.frame_coding import COLORSPACES
from segdata.video.picture import Picture

FIELD_ORDERS: dict[Fields, int] = {"none": 1, "top first": 2, "bottom first": 3}
"""FFmpeg's AVFieldOrder."""

_MODES: dict[Fields, str] = {"none": "prog", "top first": "tff", "bottom first": "bff"}


class FieldMarker:
    """Says of frames of one size that they are made of fields: encoders ask each frame, and PyAV cannot set it.

    Pixels are not copied.
    """

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


def describe(encoder: VideoCodecContext, picture: Picture) -> FieldMarker | None:
    """Have what `encoder`, not yet open, will write say that it is shown as `picture` is.

    Returns what marks each frame, if there are fields: of H.264 by libx264, as graphics cards have given them up.
    """
    encoder.colorspace = COLORSPACES[picture.coding.matrix]
    encoder.color_range = ColorRange.JPEG if picture.coding.full_range else ColorRange.MPEG
    encoder.color_primaries, encoder.color_trc = picture.light
    encoder.sample_aspect_ratio = picture.display.pixel_aspect
    fields = picture.display.fields
    if fields == "none" or encoder.name != "libx264":
        return None
    encoder.flags |= Flags.interlaced_dct
    encoder.field_order = FIELD_ORDERS[fields]
    # It takes each frame's word as well, but too late for what the file says at its beginning.
    encoder.options = {**encoder.options, "x264-params": f"{_MODES[fields]}=1"}
    return FieldMarker(fields, picture.frame)
