"""Hugging Face's folders for image segmentation: images and masks that a table names, or in Parquet files.

Source: https://huggingface.co/docs/datasets/image_dataset: a column is a key of metadata.jsonl or .csv that ends in
`file_name`, or a column of images in a Parquet file.
"""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segdata.errors import InputError
from segdata.formats.reading.base import ClassFound
from segdata.formats.reading.images import Images, files_below, frame_name
from segdata.formats.reading.json_file import whole
from segdata.formats.reading.parquet import Rows, Stored, may_hold_images, rows_of
from segdata.formats.reading.values import name_of, split_of, unreadable

LAYOUT = "Hugging Face"
_TABLES = ("metadata.jsonl", "metadata.csv")
_FILE_NAME = "file_name"
_MASK = re.compile(r"label|mask|annotation|seg|gt|ground.?truth", re.IGNORECASE)
_IMAGE = re.compile(r"image|pixel|img|photo|input|picture", re.IGNORECASE)
_LARGEST_TABLE = 1 << 28  # bytes


@dataclass(frozen=True)
class Row:
    """An image and its mask, and the file that names or holds them."""

    name: str
    split: str
    image: Stored
    mask: Stored
    file: Path


@dataclass
class Table:
    """What is below a folder; `missing` are files, and the names of their images that are not there.

    `classes` are those that the dataset has names for, none if it has no names.
    """

    rows: list[Row] = field(default_factory=list)
    missing: list[tuple[Path, str]] = field(default_factory=list)
    classes: tuple[ClassFound, ...] = ()


def hugging_face_table(source: Path) -> Table:
    """Return the images and masks that metadata.jsonl, metadata.csv and Parquet files below `source` name or hold.

    Names of classes are those of an id2label.json, or of the mask's feature in a Parquet file. Raises InputError if a
    file is not as it should be, ImportError for a Parquet file without pyarrow.
    """
    files = list(files_below(source))
    images = Images(source, files)
    table = Table()
    names: dict[int, str] = {}
    for file in files:
        if file.name in _TABLES:
            _add_named(file, source, images, table)
        elif file.suffix.lower() == ".parquet" and may_hold_images(file):
            names |= _add_stored(rows_of(file), source, table)
    for file in files:
        if table.rows and "id2label" in file.name.lower() and file.suffix.lower() == ".json":
            names = _id2label(file)
    table.classes = tuple(ClassFound(name, number) for number, name in sorted(names.items()))
    return table


def _add_named(file: Path, source: Path, images: Images, table: Table) -> None:
    columns: tuple[str, str] | None = None
    for row in _rows(file):
        if columns is None:
            keys = {
                key.removesuffix(_FILE_NAME).rstrip("_") or "image": key for key in row if str(key).endswith(_FILE_NAME)
            }
            if len(keys) < 2:  # such as photos with captions
                return
            image, mask = _image_and_mask(list(keys), file)
            columns = keys[image], keys[mask]
        split = split_of(file, source)
        found = [images.find(row.get(key), file, split) for key in columns]
        lacking = [str(row[key]) for key, path in zip(columns, found, strict=True) if path is None]
        table.missing += [(file, name) for name in lacking]
        if found[0] and found[1]:
            table.rows.append(
                Row(frame_name(row[columns[0]]), split or split_of(found[0], source), found[0], found[1], file)
            )


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    try:
        if file.stat().st_size > _LARGEST_TABLE:
            raise InputError(f"{file}: {file.stat().st_size:,} bytes, need {_LARGEST_TABLE:,} or less; split it")
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = (
                csv.DictReader(stream)
                if file.suffix == ".csv"
                else (json.loads(line) for line in stream if line.strip())
            )
            for row in rows:
                if not isinstance(row, dict):
                    raise ValueError("a row that is not an object")
                yield row
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise unreadable(file, "table", error) from None


def _add_stored(rows: Rows, source: Path, table: Table) -> dict[int, str]:
    """Add the rows of a Parquet file, and return the names of its classes."""
    if len(rows.columns) < 2:
        return {}
    image, mask = _image_and_mask(list(rows.columns), rows.file)
    split = split_of(rows.file, source)
    table.rows += [
        Row(f"{rows.file.stem}-{photo.row:06}", split, photo, label, rows.file)
        for photo, label in zip(rows.cells(image), rows.cells(mask), strict=True)
    ]
    names = _class_names(rows.features.get(mask))
    return {number: name_of({"names": name}, "names", rows.file) for number, name in enumerate(names)}


def _class_names(feature: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    """Return the names of a feature that is a ClassLabel, or has one in it."""
    if isinstance(feature, dict):
        if isinstance(names := feature.get("names"), list):
            return names
        return next((found for inner in feature.values() if (found := _class_names(inner))), [])
    return []


def _image_and_mask(columns: list[str], file: Path) -> tuple[str, str]:
    """Return the column of images and the column of masks."""
    masks = [name for name in columns if _MASK.search(name)]
    others = [name for name in columns if name not in masks]
    photos = [name for name in others if _IMAGE.search(name)] or others
    if len(masks) == 1 and len(photos) == 1:
        return photos[0], masks[0]
    named = ", ".join(columns)
    raise InputError(f"{file}: images in the columns {named:.200}; need one called image and one called label or mask")


def _id2label(file: Path) -> dict[int, str]:
    content = whole(file)
    if isinstance(content, dict) and isinstance(content.get("id2label"), dict):  # a model's config.json
        content = content["id2label"]
    if not isinstance(content, dict) or not content:
        raise InputError(f'{file}: no names; need {{"0": "road", ...}}')
    names = {}
    for key, name in content.items():
        if not re.fullmatch(r"\d{1,3}", str(key)) or int(key) > 255:
            raise InputError(f"{file}: the id {key!r:.40}, need a number from 0 to 255")
        names[int(key)] = name_of({key: name}, key, file)
    return names
