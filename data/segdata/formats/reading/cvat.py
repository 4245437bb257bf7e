"""CVAT for images 1.1: XML with polygons, masks, boxes and ellipses.

Files of any size are read element by element, without the document type that entities need.
"""

from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import ParseError, XMLParser

from segdata.errors import InputError
from segdata.formats.reading.base import Annotated, AnnotatedImage, ClassFound, Region
from segdata.formats.reading.column_runs import Polygons
from segdata.formats.reading.images import Images, frame_name
from segdata.formats.reading.json_file import LARGEST
from segdata.formats.reading.run_lengths import checked
from segdata.formats.reading.shapes import RowRuns, Shape, ellipse, points_of, turned
from segdata.formats.reading.values import (
    LARGEST_IMAGE,
    SPLIT_NAMES,
    colour_of,
    finite_of,
    name_of,
    number_of,
    size_of,
    split_of,
    told_of,
    unreadable,
)

LAYOUT = "CVAT"
_PIECE = 1 << 20  # bytes


@dataclass
class _Image:
    attributes: dict[str, str]
    shapes: list[tuple[int, str, Shape]] = field(default_factory=list)  # order, label, shape


class _Content:
    """The images and labels of a file, taken as they come: a target of Python's XMLParser."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.images: list[_Image] = []
        self.labels: dict[str, ClassFound] = {}
        self.tracks = 0
        self._path: list[str] = []
        self._label: dict[str, str] = {}

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        """Refuse a document type: its entities may grow without limit, or read other files."""
        raise InputError(f"{self._file}: XML with a document type, which may have entities; remove it")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._path.append(tag)
        if tag == "label":
            self._label = {}
        elif tag == "track":
            self.tracks += 1
        elif tag == "image":
            self.images.append(_Image(attributes))
        elif self._path[-2:-1] == ["image"] and tag in ("polygon", "box", "ellipse", "mask"):
            shape = _shape(tag, attributes, self._file)
            order = number_of({"z_order": attributes.get("z_order", "0")}, "z_order", self._file)
            self.images[-1].shapes.append((order, name_of(attributes, "label", self._file), shape))

    def data(self, text: str) -> None:
        if self._path[-2:-1] == ["label"]:
            self._label[self._path[-1]] = self._label.get(self._path[-1], "") + text

    def end(self, tag: str) -> None:
        if self._path:
            self._path.pop()
        if tag == "label" and self._label:
            name = name_of(self._label, "name", self._file)
            self.labels[name] = ClassFound(name, None, colour_of(self._label.get("color", "").strip()))


def read_cvat(source: Path, files: list[Path], images: Images) -> Annotated:
    """Return what `files`, annotations.xml, hold: shapes with a higher z_order lie on top, and of equal ones the later.

    Raises InputError if something in them is not as CVAT says.
    """
    labels: dict[str, ClassFound] = {}
    found: list[AnnotatedImage] = []
    missing: list[tuple[Path, str]] = []
    for file in files:
        content = _parsed(file)
        if content.tracks and not content.images:
            raise InputError(f"{file}: tracks of CVAT for video; export CVAT for images 1.1")
        labels |= content.labels
        split = split_of(file, source)
        for image in content.images:
            own = SPLIT_NAMES.get(image.attributes.get("subset", "").lower(), split)
            name = name_of(image.attributes, "name", file)
            path = images.find(name, file, split)
            if path is None:
                missing.append((file, name))
                continue
            image.shapes.sort(key=lambda shape: shape[0])
            regions = [Region(labels.setdefault(label, ClassFound(label)), shape) for _, label, shape in image.shapes]
            found.append(AnnotatedImage(frame_name(name), own, path, file, size_of(image.attributes, file), regions))
    return Annotated(LAYOUT, tuple(labels.values()), found, missing)


def _parsed(file: Path) -> _Content:
    """Return what `file` holds; raise InputError if it is too large, or no complete XML."""
    content = _Content(file)
    parser = XMLParser(target=content)
    try:
        if file.stat().st_size > LARGEST:
            raise InputError(f"{file}: {file.stat().st_size:,} bytes, need {LARGEST:,} or less; split it")
        with file.open("rb") as stream:
            while piece := stream.read(_PIECE):
                parser.feed(piece)
        parser.close()
    except (OSError, ParseError, ValueError, LookupError) as error:
        raise unreadable(file, "XML", error) from None
    return content


def is_cvat(head: str) -> bool:
    """Return whether XML with this beginning is CVAT's."""
    return "<annotations" in head


def _shape(tag: str, attributes: dict[str, str], file: Path) -> Shape:
    def value(key: str) -> float:
        return finite_of(attributes.get(key), f"the {key} of its {tag}", file)

    with told_of(file):
        if tag == "mask":
            top, left, height, width = (int(value(key)) for key in ("top", "left", "height", "width"))
            if height < 1 or width < 1 or height * width > LARGEST_IMAGE:
                raise InputError(f"a mask of {width}x{height} pixels")
            counts = checked(attributes.get("rle", "").split(","), height * width)
            return RowRuns(counts, top, left, height, width)
        if tag == "polygon":
            return Polygons((points_of([pair.split(",") for pair in attributes.get("points", "").split(";")]),))
        degrees = value("rotation") if "rotation" in attributes else 0.0
        if tag == "box":
            x, y, right, bottom = (value(key) for key in ("xtl", "ytl", "xbr", "ybr"))
            corners = points_of([x, y, right, y, right, bottom, x, bottom])
            return Polygons((turned(corners, ((x + right) / 2, (y + bottom) / 2), degrees),))
        x, y, across, down = (value(key) for key in ("cx", "cy", "rx", "ry"))
        return Polygons((turned(points_of(ellipse(x, y, across, down)), (x, y), degrees),))
