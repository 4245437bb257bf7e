"""Decodes image files with OpenCV, but only whole ones: a header that lies would have it fill the memory, or guess."""

import cv2
import numpy as np
import numpy.typing as npt

PNG = b"\x89PNG\r\n\x1a\n"
_JPEG, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"


def decode_image(data: bytes, flags: int) -> npt.NDArray[np.uint8] | None:
    """Return the pixels of an image file, uint8 [H, W] or [H, W, 3] as `flags` (cv2.IMREAD_...) ask.

    None if it is no image, is cut off, or has more than 67 million pixels (see `segdata`).
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if _is_whole(data) else None
    except cv2.error:  # an empty file, or too many pixels
        return None
    return None if image is None else np.asarray(image, np.uint8)


def _is_whole(data: bytes) -> bool:
    """Return whether a JPEG or PNG has its end; what other formats there are is left to OpenCV."""
    if data.startswith(_JPEG):  # OpenCV takes zeros after half a JPEG for its pixels
        return data.rfind(_JPEG_END) > data.rfind(_JPEG_SCAN)  # a thumbnail ends before the last scan starts
    return not data.startswith(PNG) or _chunks_end(data)


def _chunks_end(data: bytes) -> bool:
    """Return whether the chunks of a PNG follow each other to the last; OpenCV allocates the size that one claims.

    A chunk is its length, 4 bytes, its kind, its data and 4 bytes of checksum (PNG specification, 5.3).
    """
    at = len(PNG)
    while at + 12 <= len(data):
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at - 8 : at] == b"IEND\xaeB`\x82":
            return True
    return False
