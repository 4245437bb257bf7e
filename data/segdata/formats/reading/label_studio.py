"""Label Studio's JSON: a list of tasks, with brushes, polygons, rectangles and ellipses."""

from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from segdata.errors import InputError
from segdata.formats.reading.base import Annotated, AnnotatedImage, ClassFound, Region
from segdata.formats.reading.column_runs import Polygons
from segdata.formats.reading.images import Images, frame_name
from segdata.formats.reading.json_file import Object, items
from segdata.formats.reading.shapes import Brush, Points, Shape, ellipse, finite, points_of, turned
from segdata.formats.reading.values import LARGEST_IMAGE, finite_of, name_of, number_of, split_of, told_of
from segdata.images.image_file import IMAGE_SUFFIXES

LAYOUT = "Label Studio"


def read_label_studio(source: Path, files: list[Path], images: Images) -> Annotated:
    """Return what `files` hold; of a task, its last annotation that was not cancelled, later regions on top.

    Predictions are ignored: nobody has looked at them. Raises InputError if something is not as Label Studio
    says.
    """
    classes: dict[str, ClassFound] = {}
    found: list[AnnotatedImage] = []
    missing: list[tuple[Path, str]] = []
    for file in files:
        split = split_of(file, source)
        for _, task in items(file):
            if not isinstance(task, dict):
                raise InputError(f"{file}: a task that is not an object")
            annotations = task.get("annotations", task.get("completions"))
            given = [one for one in annotations if isinstance(one, dict)] if isinstance(annotations, list) else []
            given = [one for one in given if not one.get("was_cancelled")]
            if not given:
                continue
            name = image_name(task.get("data"), file)
            path = images.find(name, file, split)
            if path is None and (short := without_prefix(name)) is not None:
                path = images.find(short, file, split)
            if path is None:
                missing.append((file, name))
                continue
            regions, size = _regions(given[-1].get("result"), classes, file)
            found.append(AnnotatedImage(frame_name(path.name), split, path, file, size, regions))
    return Annotated(LAYOUT, tuple(classes.values()), found, missing)


def image_name(data: object, file: Path) -> str:
    """Return the name of a task's image: the first path or address of an image in its data."""
    for value in data.values() if isinstance(data, dict) else []:
        if not isinstance(value, str):
            continue
        try:
            address = urlsplit(value)
            inner = parse_qs(address.query).get("d", [""])[0]
        except ValueError:
            continue
        name = unquote(inner or address.path)
        if name.lower().endswith(IMAGE_SUFFIXES):
            return name.lstrip("/")
    raise InputError(f"{file}: a task whose data has no image; need a path or an address that ends in its name")


def without_prefix(name: str) -> str | None:
    """Return a name without the eight digits that Label Studio puts before the names of uploaded files."""
    prefix, dash, rest = PurePosixPath(name).name.partition("-")
    return rest if dash and rest and len(prefix) == 8 and all(sign in "0123456789abcdef" for sign in prefix) else None


def _regions(result: object, classes: dict[str, ClassFound], file: Path) -> tuple[list[Region], tuple[int, int] | None]:
    regions, size = [], None
    for item in result if isinstance(result, list) else []:
        kind = item.get("type") if isinstance(item, dict) else None
        if kind not in ("brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels"):
            continue
        value = item.get("value")
        names = value.get(kind) if isinstance(value, dict) else None
        if not isinstance(names, list) or len(names) != 1:
            raise InputError(f"{file}: a region of {kind} without exactly one label")
        name = name_of({"label": names[0]}, "label", file)
        height, width = (number_of(item, key, file) for key in ("original_height", "original_width"))
        if height < 1 or width < 1 or height * width > LARGEST_IMAGE:
            raise InputError(f"{file}: an image of {width}x{height} pixels")
        if size not in (None, (height, width)):
            raise InputError(f"{file}: regions of one image that say different sizes of it")
        size = height, width
        with told_of(file):
            shape = _shape(kind, value, height, width, file)
        regions.append(Region(classes.setdefault(name, ClassFound(name)), shape))
    return regions, size


def _shape(kind: str, value: Object, height: int, width: int, file: Path) -> Shape:
    """Return a region: sizes are percent of the image, angles degrees about the top left corner."""
    if kind == "brushlabels":
        code = value.get("rle")
        try:
            return Brush(bytes(code if isinstance(code, list) else ()), height, width)
        except (TypeError, ValueError):
            raise InputError("a brush that is not a list of bytes") from None
    if kind == "polygonlabels":
        corners = points_of(value.get("points"))
    else:
        keys = ("x", "y", "width", "height") if kind == "rectanglelabels" else ("x", "y", "radiusX", "radiusY")
        x, y, *sides = (finite_of(value.get(key), key, file) for key in keys)
        corners = points_of(_around(kind, x, y, sides))
        angle: Any = value.get("rotation") or 0
        scale = np.asarray((width, height)) / 100
        about = float(x * scale[0]), float(y * scale[1])
        return Polygons((turned(corners * scale, about, finite_of(angle, "rotation", file)),))
    return Polygons((finite(corners * (width, height) / 100),))


def _around(kind: str, x: float, y: float, sides: list[float]) -> Points:
    wide, high = sides
    if kind == "rectanglelabels":
        return np.asarray([[x, y], [x + wide, y], [x + wide, y + high], [x, y + high]])
    return ellipse(x, y, wide, high)
