"""Decodes image files with OpenCV, but only complete ones: a lying header would make it fill the memory or guess."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segdata.errors import InputError

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""What names of images end in, in lower case."""

PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_TIFF = (b"II*\0", b"MM\0*")
_END, _SCAN, _FIRST_RESTART = 0xD9, 0xDA, 0xD0  # JPEG markers, which follow a byte of 255 (ITU-T T.81, table B.1)
_ALONE = (0x01, *range(_FIRST_RESTART, _FIRST_RESTART + 9))  # markers without a length and data


def decode_image(data: bytes, flags: int) -> npt.NDArray[np.uint8] | None:
    """Return the pixels of an image file, uint8 [H, W] or [H, W, 3] as `flags` (cv2.IMREAD_...) ask.

    Data after the image, such as the video of a motion photo, is ignored. None if it is not an image, is cut off, or
    has more than 67 million pixels (see `segdata`).
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if _is_whole(data) else None
    except cv2.error:  # an empty file, or too many pixels
        return None
    return None if image is None else np.asarray(image, np.uint8)


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """Return an image file as RGB, uint8 [H, W, 3], upright; raise InputError if it is not an image or unreadable."""
    try:
        image = decode_image(path.read_bytes(), cv2.IMREAD_COLOR_RGB)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # a zero byte in the name
        raise InputError(f"{str(path)!r:.100}: cannot be read: {error}") from None
    if image is None:
        kinds = ", ".join(suffix[1:] for suffix in IMAGE_SUFFIXES)
        raise InputError(f"{path}: not a complete image of at most 67 megapixels; need one of {kinds}")
    return image


def as_png(image: npt.NDArray[np.uint8]) -> bytes:
    """Return an RGB image, uint8 [H, W, 3], as a PNG."""
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def as_jpeg(image: npt.NDArray[np.uint8], quality: int) -> bytes:
    """Return an RGB image, uint8 [H, W, 3], as a JPEG of a quality from 0 to 100."""
    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def is_lossy(data: bytes) -> bool:
    """Return whether an image file is in a lossy format: JPEG, also within TIFF, or lossy WebP."""
    if data.startswith(_TIFF):
        return b"\xff\xd8\xff" in data  # strips or tiles of JPEG
    return data.startswith(_JPEG) or (data[:4] == b"RIFF" and b"VP8L" not in data[12:4096])


def _is_whole(data: bytes) -> bool:
    """Return whether a JPEG or PNG has its end; OpenCV decodes no truncated file of other formats."""
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
