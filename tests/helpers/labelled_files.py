"""Small images and masks of known classes, for tests of what a folder holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.labels import CITYSCAPES_29, LabelSpace

Array = NDArray[np.uint8]

HEIGHT, WIDTH = 24, 32
ROAD, CAR, SKY = (CITYSCAPES_29.names.index(name) for name in ("road", "car", "sky"))
CLASSES = np.repeat(np.array([SKY, CAR, ROAD], np.uint8), HEIGHT // 3)[:, None].repeat(WIDTH, axis=1)
"""Three stripes, uint8 [24, 32]: sky, car, road."""
LABEL_IDS = np.array([ids[0] for ids in CITYSCAPES_29.label_ids], np.uint8)[CLASSES]
COLOURS = CITYSCAPES_29.palette()[CLASSES]

TWO = LabelSpace("two", ("bg", "thing"), ((0, 0, 0), (128, 0, 0)), ((0,), (1,)))
TWO_CLASSES = (CLASSES == CAR).astype(np.uint8)


def photo(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> Array:
    """Return noise, uint8 [H, W, 3]: no label space has its colours."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def save(path: Path, pixels: Array | Image.Image, **options: Any) -> Path:  # noqa: ANN401 - Pillow's
    """Write an image file in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def write_files(source: Path, files: Mapping[str, Array | Image.Image]) -> None:
    """Write image files at paths below `source`."""
    for name, pixels in files.items():
        save(source / name, pixels)


def side_by_side(seed: int = 0) -> Array:
    """Return a photo and the colours of its classes, uint8 [24, 64, 3]."""
    return np.concatenate([photo(seed), COLOURS], axis=1)


def indexed(ids: Array, palette: Array) -> Image.Image:
    """Return a palette image of these indices and colours, uint8 [N, 3]."""
    image = Image.frombytes("P", ids.shape[::-1], ids.tobytes())
    image.putpalette(palette.tobytes())
    return image
