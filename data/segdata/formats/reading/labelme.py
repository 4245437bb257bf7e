"""labelme's JSON: a file an image, with polygons and other shapes."""

import base64
import binascii
from pathlib import Path
from typing import Any

import numpy as np

from segdata.errors import InputError
from segdata.formats.reading.base import Annotated, AnnotatedImage, ClassFound, Region
from segdata.formats.reading.images import Images, frame_name
from segdata.formats.reading.json_file import whole
from segdata.formats.reading.shapes import DrawnShape, Shape, StoredMask, finite
from segdata.formats.reading.values import name_of, size_of, split_of, told_of

LAYOUT = "labelme"
_POINTS = {"rectangle": 2, "circle": 2, "line": 2, "point": 1, "mask": 2}
_AT_LEAST = {"polygon": 3, "linestrip": 2}
_LARGEST = 1 << 27  # bytes: the image may stand inside


def read_labelme(source: Path, files: list[Path], images: Images) -> Annotated:
    """Return what `files` hold, one image each; later shapes lie on top.

    Raises InputError if something in them is not as labelme says.
    """
    classes: dict[str, ClassFound] = {}
    found: list[AnnotatedImage] = []
    missing: list[tuple[Path, str]] = []
    for file in files:
        content = whole(file, _LARGEST)
        if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
            raise InputError(f"{file}: no shapes; need a file of labelme's")
        split = split_of(file, source)
        name = name_of(content, "imagePath", file)
        path = images.find(name, file, split)
        if path is None:
            missing.append((file, name))
            continue
        regions = []
        for item in content["shapes"]:
            label = name_of(item, "label", file)
            region = _shape(item, file)
            regions.append(Region(classes.setdefault(label, ClassFound(label)), region))
        size = size_of(content, file, ("imageHeight", "imageWidth"))
        found.append(AnnotatedImage(frame_name(file.stem), split, path, file, size, regions))
    return Annotated(LAYOUT, tuple(classes.values()), found, missing)


def _shape(item: dict[str, Any], file: Path) -> Shape:
    kind = item.get("shape_type") or "polygon"
    if not isinstance(kind, str) or kind not in _POINTS.keys() | _AT_LEAST.keys():
        raise InputError(f"{file}: a shape of the kind {kind!r:.40}, need {', '.join((*_AT_LEAST, *_POINTS))}")
    try:
        points = np.asarray(item.get("points"), np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{file}: a {kind} whose points are not x and y") from None
    needed, least = _POINTS.get(kind, len(points)), _AT_LEAST.get(kind, 0)
    if len(points) != needed or len(points) < least:
        raise InputError(f"{file}: a {kind} of {len(points)} points, need {least or needed}")
    with told_of(file):
        finite(points)
    if kind == "mask":
        return StoredMask(_decoded(item.get("mask"), file), int(points[0, 1]), int(points[0, 0]))
    return DrawnShape(kind, [(float(x), float(y)) for x, y in points])


def _decoded(text: object, file: Path) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        raise InputError(f"{file}: a mask that is not in base 64") from None
