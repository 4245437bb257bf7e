"""Decodes image files with OpenCV, but only complete ones: a lying header would make it fill the memory or guess."""

import cv2
import numpy as np
import numpy.typing as npt

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""What names of images end in, in lower case."""

PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_TIFF = (b"II*\0", b"MM\0*")
_END, _SCAN, _FIRST_RESTART = 0xD9, 0xDA, 0xD0  # JPEG markers, which follow a byte of 255 (ITU-T T.81, table B.1)
_ALONE = (0x01, *range(_FIRST_RESTART, _FIRST_RESTART + 9))  # markers without a length and data


def decode_image(data: bytes, flags: int) -> npt.NDArray[np.uint8] | None:
    """Return the pixels of an image file, uint8 [H, W] or [H, W, 3] as `flags` (cv2.IMREAD_...) ask.

    Data behind the image, as the video of a motion photo, is left alone. None if it is no image, is cut off, or has
    more than 67 million pixels (see `segdata`).
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if _is_whole(data) else None
    except cv2.error:  # an empty file, or too many pixels
        return None
    return None if image is None else np.asarray(image, np.uint8)


def is_lossy(data: bytes) -> bool:
    """Return whether an image file is of a format that changes pixels: JPEG, also within TIFF, or lossy WebP."""
    if data.startswith(_TIFF):
        return b"\xff\xd8\xff" in data  # strips or tiles of JPEG
    return data.startswith(_JPEG) or (data[:4] == b"RIFF" and b"VP8L" not in data[12:4096])


def _is_whole(data: bytes) -> bool:
    """Return whether a JPEG or PNG has its end; of other formats OpenCV decodes none that is cut off."""
    if data.startswith(_JPEG):  # OpenCV takes zeros after half a JPEG for its pixels
        return _markers_end(data)
    return not data.startswith(PNG) or _chunks_end(data)


def _markers_end(data: bytes) -> bool:
    """Return whether the segments and scans of a JPEG follow each other to the marker of its end, after a scan.

    A segment is its marker, its length, 2 bytes that count themselves, and its data, in which a thumbnail may have an
    end of its own. In a scan 255 stands before 0, a restart or the next marker (ITU-T T.81, B.1.1).
    """
    at, scanned = len(_JPEG), False
    while at + 2 <= len(data):
        if data[at] != 0xFF:
            return False
        marker = data[at + 1]
        if marker == _END:
            return scanned
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SCAN:
            scanned = True
            at = data.find(b"\xff", at)
            while 0 <= at < len(data) - 1 and (data[at + 1] == 0 or data[at + 1] in _ALONE):
                at = data.find(b"\xff", at + 2)
            if at < 0:
                return False
    return False


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
