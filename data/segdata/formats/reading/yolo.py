"""YOLO's segmentation labels: data.yaml, and a text file an image, a polygon a line."""

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from segdata.errors import InputError
from segdata.formats.reading.base import Annotated, AnnotatedImage, ClassFound, Region
from segdata.formats.reading.images import frame_name
from segdata.formats.reading.shapes import RelativePolygon
from segdata.formats.reading.values import SPLIT_NAMES, name_of, unreadable
from segdata.images.image_file import IMAGE_SUFFIXES

LAYOUT = "YOLO"
_SPLITS = ("train", "val", "valid", "test")
_LARGEST_YAML, _LARGEST_TEXT = 1 << 20, 1 << 26  # bytes
_NUMBER = re.compile(r"[0-9]{1,5}")
_FAR = 100.0  # widths of the image that a corner may be off


@dataclass(frozen=True)
class _Place:
    """The images of a split, the folder that their names begin below, and names in a list that are not there."""

    split: str
    images: list[Path]
    below: Path
    missing: list[tuple[Path, str]] = field(default_factory=list)


def read_yolo(file: Path) -> Annotated:
    """Return what `file`, a data.yaml, names: folders or lists of images; one without a text file has no region.

    Raises InputError if something is not as Ultralytics says, ImportError without PyYAML.
    """
    content = _yaml(file)
    classes = _classes(content.get("names"), file)
    found = []
    places = _places(content, file)
    for place in places:
        for path in place.images:
            text = _labels_of(path, file.parent)
            regions = _regions(text, classes) if text.is_file() else []
            name = frame_name(path.relative_to(place.below).as_posix())
            found.append(AnnotatedImage(name, place.split, path, text if text.is_file() else file, None, regions))
    missing = [one for place in places for one in place.missing]
    return Annotated(LAYOUT, tuple(classes.values()), found, missing)


def is_yolo(file: Path) -> bool:
    """Return whether a YAML file is a data.yaml: of names and at least one split."""
    try:
        if file.stat().st_size > _LARGEST_YAML:
            return False
        lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        keys = {line.partition(":")[0].rstrip().strip("\"'") for line in lines}
    except OSError:
        return False
    return "names" in keys and bool(keys & set(_SPLITS))


def _yaml(file: Path) -> dict[Any, Any]:
    import yaml

    try:
        text = file.read_text(encoding="utf-8-sig")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):  # they may multiply without limit
            raise InputError(f"{file}: YAML with aliases; write them out")
        content = yaml.safe_load(text)
    except (OSError, yaml.YAMLError, ValueError, RecursionError, TypeError, AttributeError) as error:
        raise unreadable(file, "YAML", error) from None
    if not isinstance(content, dict):
        raise InputError(f"{file}: need names and the splits' folders")
    return content


def _classes(names: object, file: Path) -> dict[int, ClassFound]:
    pairs = enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else []
    classes = {}
    for key, name in pairs:
        number = int(key) if isinstance(key, str) and _NUMBER.fullmatch(key) else key
        if type(number) is not int or number < 0:
            raise InputError(f"{file}: class {key!r:.40} of names, need a number of 0 or more")
        word = str(name) if type(name) in (int, float) else name  # a name of digits alone
        classes[number] = ClassFound(name_of({"names": word}, "names", file), number)
    if not classes:
        raise InputError(f"{file}: no names; need the classes")
    return classes


def _places(content: dict[Any, Any], file: Path) -> list[_Place]:
    """Return the splits, whose folders and lists are below data.yaml: its `path` is mostly one on another machine."""
    places: list[_Place] = []
    taken: set[Path] = set()
    for key in _SPLITS:
        named = content.get(key)
        for word in named if isinstance(named, list) else [named] if named else []:
            there = _below(word, content.get("path"), file)
            if there is None and key == "test":  # which need not be there
                continue
            if there is None:
                raise InputError(
                    f"{file}: the folder or list {word[:80]!r} is not there below {file.parent}; need each split's "
                    "below it"
                )
            if there.resolve() in taken:  # Ultralytics wants train and val even where there is one
                continue
            taken.add(there.resolve())
            places.append(_listed(SPLIT_NAMES[key], there, file) if there.is_file() else _held(SPLIT_NAMES[key], there))
    return places if len({place.split for place in places}) > 1 else [replace(place, split="") for place in places]


def _below(word: object, path: object, file: Path) -> Path | None:
    """Return the folder or list that data.yaml means, None if it is not below the folder of data.yaml."""
    if not isinstance(word, str) or "\0" in word:
        raise InputError(f"{file}: a split is {word!r:.60}, need a folder or a list of images")
    base = file.parent
    given = [Path(word)]
    if isinstance(path, str) and "\0" not in path:
        given.insert(0, Path(path) / word)
    if word.startswith("../"):  # as Roboflow writes them
        given.append(Path(word[3:]))
    for way in given:
        there = base / way
        try:
            inside = there.resolve().is_relative_to(base.resolve())
            if inside and (there.is_dir() or (there.is_file() and there.suffix == ".txt")):
                return base / there.resolve().relative_to(base.resolve())
        except (OSError, RuntimeError):
            continue
    return None


def _held(split: str, folder: Path) -> _Place:
    """Return the visible images in a folder, at any depth."""
    images = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    return _Place(split, images, folder)


def _listed(split: str, names: Path, file: Path) -> _Place:
    """Return the images that a list names, a line each, below data.yaml: folders above it are another machine's."""
    images: dict[Path, None] = {}
    missing = []
    for line in dict.fromkeys(map(str.strip, _lines(names))):
        parts = [part for part in PurePosixPath(line.replace("\\", "/")).parts if part not in (".", "..", "/")]
        ways = (file.parent.joinpath(*parts[first:]) for first in range(len(parts)))
        there = (way for way in ways if way.suffix.lower() in IMAGE_SUFFIXES)
        path = next((way for way in there if os.path.isfile(way)), None)  # noqa: PTH113 - a Path's raises for long names
        if path is not None:
            images[path] = None
        elif line:
            missing.append((names, line))
    return _Place(split, list(images), file.parent, missing)


def _labels_of(image: Path, base: Path) -> Path:
    """Return the text file of an image: its path with the last folder `images` as `labels`, as Ultralytics' is."""
    parts = list(image.relative_to(base).with_suffix(".txt").parts)
    if "images" in parts[:-1]:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return base.joinpath(*parts)


def _lines(file: Path) -> list[str]:
    try:
        if file.stat().st_size > _LARGEST_TEXT:
            raise InputError(f"{file}: {file.stat().st_size:,} bytes, need {_LARGEST_TEXT:,} or less")
        return file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise unreadable(file, "text", error) from None


def _regions(file: Path, classes: dict[int, ClassFound]) -> list[Region]:
    regions = []
    for number, line in enumerate(_lines(file), start=1):
        words = line.split()
        if not words:
            continue
        try:
            class_id, values = int(float(words[0])), np.asarray(words[1:], np.float64)
        except (ValueError, OverflowError):
            raise InputError(f"{file}: line {number} is not a class and corners, but {line[:60]!r}") from None
        if class_id not in classes:
            raise InputError(f"{file}: line {number} is of class {class_id}, which is not in the names of data.yaml")
        if values.size < 6 or values.size % 2:
            raise InputError(f"{file}: line {number} has {values.size} numbers, need x and y of 3 corners or more")
        if not (np.abs(values) <= _FAR).all():
            raise InputError(f"{file}: line {number} has a corner that is not a share of the image's size")
        regions.append(Region(classes[class_id], RelativePolygon(values.reshape(-1, 2))))
    return regions
