"""COCO's panoptic labels: a JSON file a split, and a PNG an image whose colours are the numbers of segments."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segdata.errors import InputError
from segdata.formats.reading.base import Annotated, AnnotatedImage, ClassFound, Region
from segdata.formats.reading.coco import annotations_of
from segdata.formats.reading.images import Images, frame_name
from segdata.formats.reading.json_file import Object
from segdata.formats.reading.shapes import Mask
from segdata.formats.reading.values import number_of, size_of, split_of
from segdata.images.image_file import decode_image

LAYOUT = "COCO panoptic"


@dataclass(frozen=True)
class Segments:
    """The segments of one class in a PNG: those whose number, R + 256 G + 65536 B, is one of `numbers`."""

    png: Path
    numbers: tuple[int, ...]

    def mask(self, height: int, width: int) -> Mask:
        """Return the pixels."""
        try:
            found = _segments_in(self.png, self.png.stat().st_mtime_ns)
        except OSError as error:
            raise InputError(f"{self.png} cannot be read ({error.strerror})") from None
        if found.shape != (height, width):
            shown = f"{found.shape[1]}x{found.shape[0]}"
            raise InputError(f"{self.png} is {shown}, the image {width}x{height}; need one size")
        return Mask(np.isin(found, self.numbers))


@lru_cache(maxsize=8)  # images, for threads: the classes of one are drawn one after the other
def _segments_in(png: Path, modified: int) -> npt.NDArray[np.int32]:
    """Return the number of each pixel's segment, int32 [H, W]; the file is read again if it was `modified`.

    Raises OSError if it cannot be read, InputError if it is not a complete image.
    """
    image = decode_image(png.read_bytes(), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise InputError(f"{png} is not a whole image")
    return np.asarray(image.astype(np.int32) @ np.asarray([1, 256, 65536], np.int32))


def read_panoptic(source: Path, files: list[Path], images: Images) -> Annotated:
    """Return what `files`, COCO's panoptic JSON, hold; the PNGs are in a folder with the file's name, or beside it."""
    classes: dict[int, ClassFound] = {}
    found: list[AnnotatedImage] = []
    missing: list[tuple[Path, str]] = []
    for file in files:
        split = split_of(file, source)
        listed: dict[int, Object] = {}
        of_file: dict[int, ClassFound] = {}
        segments = list(annotations_of(file, listed, of_file))
        classes.update({number: known for number, known in of_file.items() if number not in classes})
        for annotation in segments:
            item = listed.get(number_of(annotation, "image_id", file))
            if item is None:
                raise InputError(f"{file}: annotations of image {annotation.get('image_id')!r:.40}, which is not there")
            path = images.find(item.get("file_name"), file, split)
            png = images.find(annotation.get("file_name"), file.with_suffix("") / "png", split)
            if path is None or png is None:
                missing.append((file, (annotation if path else item)["file_name"]))
                continue
            regions = _regions(annotation, of_file, png, file)
            name = frame_name(item["file_name"])
            found.append(AnnotatedImage(name, split, path, file, size_of(item, file), regions))
    return Annotated(LAYOUT, tuple(classes.values()), found, missing)


def _regions(annotation: Object, classes: dict[int, ClassFound], png: Path, file: Path) -> list[Region]:
    numbers: dict[int, list[int]] = {}
    listed: Any = annotation.get("segments_info")
    for segment in listed if isinstance(listed, list) else []:
        category = number_of(segment, "category_id", file)
        if category not in classes:
            raise InputError(f"{file}: segments of category {category}, which is not in its categories")
        numbers.setdefault(category, []).append(number_of(segment, "id", file))
    return [Region(classes[category], Segments(png, tuple(found))) for category, found in numbers.items()]
