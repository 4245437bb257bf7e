"""How the colours of a decoded frame are coded: by its metadata, or by what players assume."""

import av
from av.video.reformatter import ColorRange

from segdata.video.scaler import has_always_full_range, is_grey
from segdata.video.yuv import ColourCoding, Matrix, usual_matrix

COLORSPACES: dict[Matrix, int] = {"bt709": 1, "fcc": 4, "bt601": 6, "smpte240m": 7, "ycgco": 8, "bt2020": 9}
"""FFmpeg's AVColorSpace, which has the numbers of ITU-T H.273, table 4; PyAV does not name all of them."""

_MATRICES: dict[int, Matrix] = {number: matrix for matrix, number in COLORSPACES.items()} | {5: "bt601"}

_BY_PRIMARIES = 12  # the matrix follows from the primaries
_OF_PRIMARIES: dict[int, Matrix] = {1: "bt709", 9: "bt2020"}

# What FFmpeg names and is not supported here: not a matrix, or one that no known video has.
_UNREADABLE = {10: "BT.2020 of constant luminance", 11: "SMPTE ST 2085", 12: "a matrix of its own primaries",
               13: "constant luminance of its own primaries", 14: "ICtCp", 15: "IPT-PQ-C2", 16: "YCgCo-Re",
               17: "YCgCo-Ro"}  # fmt: skip


def coding_of(frame: av.VideoFrame) -> ColourCoding:
    """Return how the colours of `frame`, which is not RGB, are coded."""
    matrix = _OF_PRIMARIES.get(frame.color_primaries) if frame.colorspace == _BY_PRIMARIES else None
    matrix = matrix or _MATRICES.get(frame.colorspace) or usual_matrix(frame.height, frame.width)
    if is_grey(frame):  # in full range unless it says that it is not
        return ColourCoding(matrix, full_range=frame.color_range != ColorRange.MPEG)
    return ColourCoding(matrix, full_range=frame.color_range == ColorRange.JPEG or has_always_full_range(frame))


def unreadable(frame: av.VideoFrame) -> str | None:
    """Return the name of `frame`'s coding of colours if it is not supported, None if it is."""
    if is_rgb(frame) or (frame.colorspace == _BY_PRIMARIES and frame.color_primaries in _OF_PRIMARIES):
        return None
    return _UNREADABLE.get(frame.colorspace)


def is_rgb(frame: av.VideoFrame) -> bool:
    """Return whether pixels are red, green and blue, or something that FFmpeg converts to it."""
    kind = frame.format
    return kind.is_rgb or kind.has_palette or kind.is_bayer or kind.name.startswith("xyz")
