"""What every reader of annotations returns: images, and the regions in them that are of a class."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segdata.formats.reading.shapes import Shape
from segdata.labels import Colour


@dataclass(frozen=True)
class ClassFound:
    """A class that the annotations name: the number it has there, and its colour, None where there is none."""

    name: str
    number: int | None = None
    colour: Colour | None = None


@dataclass(frozen=True)
class Region:
    """A part of an image, and the class it is of."""

    of: ClassFound
    shape: Shape


@dataclass(frozen=True)
class AnnotatedImage:
    """One image and its regions, those on top last.

    `name` tells it from the others of its `split`, which is "" where the source has none; `file` is where its
    annotations stand. `size`, height and width in pixels, is what they say of the image, None where they say nothing.
    """

    name: str
    split: str
    image: Path
    file: Path
    size: tuple[int, int] | None
    regions: Sequence[Region]


@dataclass(frozen=True)
class Annotated:
    """What a reader found below a folder; `missing` are files of annotations and the names of images not found."""

    layout: str
    classes: tuple[ClassFound, ...]
    images: list[AnnotatedImage]
    missing: list[tuple[Path, str]] = field(default_factory=list)
