"""Reads image files as arrays; fails if a file is not an image."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt


def read_image(path: Path, flags: int = cv2.IMREAD_COLOR) -> npt.NDArray[np.uint8]:
    """Return the pixels that `cv2.imread` finds: BGR of 8 bits, unless `flags` say otherwise."""
    image = cv2.imread(str(path), flags)
    assert image is not None, f"{path} is no image"
    return _of_bytes(image)


def decode_image(content: bytes, flags: int = cv2.IMREAD_COLOR) -> npt.NDArray[np.uint8]:
    """Return the pixels that `cv2.imdecode` finds: BGR of 8 bits, unless `flags` say otherwise."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    assert image is not None, "these bytes are no image"
    return _of_bytes(image)


def _of_bytes(image: cv2.typing.MatLike) -> npt.NDArray[np.uint8]:
    assert image.dtype == np.uint8
    return image.view(np.uint8)
