"""The H.264 encoders: which works here, how each is set, and what it writes into a file of how pictures are shown.

That is the matrix, range and transfer of colours, the pixel aspect and the fields.
"""

from fractions import Fraction

import av
from av.codec.context import Flags
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange

from segdata.video.display import Fields
from segdata.video.encoder import Encoder
from segdata.video.frame_coding import COLORSPACES
from segdata.video.picture import Picture

SETTINGS = {
    "libx264": {"preset": "ultrafast", "crf": "23"},
    "h264_nvenc": {"preset": "p1", "cq": "23"},
}

ANYWHERE = ("libx264",)
"""Encoders that need no graphics card."""

FIELD_ORDERS: dict[Fields, int] = {"none": 1, "top first": 2, "bottom first": 3}
"""FFmpeg's AVFieldOrder."""

_MODES: dict[Fields, str] = {"none": "prog", "top first": "tff", "bottom first": "bff"}


def working_encoder() -> Encoder:
    """Return the H.264 encoder of the graphics card if it encodes a frame, else libx264."""
    try:
        codec = av.CodecContext.create("h264_nvenc", "w")
        codec.height, codec.width, codec.pix_fmt, codec.time_base = 256, 256, "yuv420p", Fraction(1, 25)
        codec.encode(av.VideoFrame(256, 256, "yuv420p"))
    except (av.FFmpegError, ValueError):
        return "libx264"
    return "h264_nvenc"


class FieldMarker:
    """Marks frames of one size as made of fields: encoders look at each frame, and PyAV cannot set it.

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
    """Have `encoder`, not yet open, write that its video is shown as `picture` is.

    Returns the marker of each frame if there are fields: only libx264 writes them, graphics cards no longer do.
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
    # It looks at each frame as well, but too late for the header of the file.
    encoder.options = {**encoder.options, "x264-params": f"{_MODES[fields]}=1"}
    return FieldMarker(fields, picture.frame)
