"""Images in the rows of Parquet files, as Hugging Face's `datasets` writes them: a struct of bytes and path."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from segdata.errors import InputError
from segdata.formats.reading.values import unreadable

_LARGEST_GROUP = 1 << 30  # bytes: of a group of rows, a column is read as a whole
_SEEN = 1 << 16  # bytes at the end of a file, which names its columns
_READING = Lock()  # threads that want the same group wait for the first of them


@dataclass(frozen=True, order=True)
class Cell:
    """One image in a Parquet file; the counterpart of a path."""

    file: Path
    row: int
    column: str
    group: int
    place: int  # in the group

    suffix = ""

    @property
    def name(self) -> str:
        """Its name in errors."""
        return f"{self.column} of row {self.row}"

    def __str__(self) -> str:
        return f"{self.file}, {self.name}"

    def stat(self) -> os.stat_result:
        """Return the facts of the file."""
        return self.file.stat()

    def read_bytes(self) -> bytes:
        """Return the bytes of the image file; raise InputError if there are none, or the Parquet file is damaged."""
        with _READING:
            images = _group(self.file, self.stat().st_mtime_ns, self.group, self.column)
        try:
            value = images[self.place].as_py()
        except _errors() as error:
            raise unreadable(self.file, "Parquet", error) from None
        image = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(image, bytes):
            raise InputError(f"{self}: no image in the file; need its bytes, as push_to_hub writes them")
        return image


Stored = Path | Cell
"""An image in its own file, or in a row of a Parquet file."""


@dataclass(frozen=True)
class Rows:
    """The images of a Parquet file: `columns` by their names, `features` the entry of `datasets` for each column."""

    file: Path
    groups: tuple[int, ...]  # how many rows each has
    columns: tuple[str, ...]
    features: dict[str, Any]

    def cells(self, column: str) -> Iterator[Cell]:
        """Yield the images of a column, row by row."""
        row = 0
        for group, count in enumerate(self.groups):
            for place in range(count):
                yield Cell(self.file, row, column, group, place)
                row += 1


def may_hold_images(file: Path) -> bool:
    """Return whether a Parquet file seems to have images, by the names of its columns; pyarrow is not needed."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - _SEEN))
            end = stream.read()
    except OSError:
        return False
    return b"huggingface" in end or (b"bytes" in end and b"path" in end)


def rows_of(file: Path) -> Rows:
    """Return which columns of images a file has; raise InputError if it cannot be read, ImportError without pyarrow."""
    from pyarrow import parquet, types

    try:
        with parquet.ParquetFile(file) as opened:
            schema, facts = opened.schema_arrow, opened.metadata
            groups = [facts.row_group(index) for index in range(facts.num_row_groups)]
            # Of all columns: what pyarrow (26.0) says of one ends the process where its statistics are damaged.
            largest = max((group.total_byte_size for group in groups), default=0)
            counts = tuple(group.num_rows for group in groups)
        said = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        columns = tuple(
            field.name
            for field in schema
            if types.is_binary(field.type)
            or types.is_large_binary(field.type)
            or (types.is_struct(field.type) and "bytes" in {part.name for part in field.type})
        )
    except _errors() as error:
        raise unreadable(file, "Parquet", error) from None
    if largest > _LARGEST_GROUP:
        raise InputError(
            f"{file}: {largest:,} bytes in one group of rows, need {_LARGEST_GROUP:,} or less; write it again"
        )
    features = (
        said.get("info", {}).get("features") if isinstance(said, dict) and isinstance(said.get("info"), dict) else None
    )
    return Rows(file, counts, columns, features if isinstance(features, dict) else {})


@lru_cache(maxsize=4)  # images and masks, of the group that is read and of the next
def _group(file: Path, modified: int, group: int, column: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as opened:
            return opened.read_row_group(group, columns=[column], use_threads=False).column(column)
    except _errors() as error:
        raise unreadable(file, "Parquet", error) from None


def _errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of pyarrow for damaged files."""
    from pyarrow import ArrowException

    return ArrowException, OSError, ValueError, LookupError, RecursionError, MemoryError, TypeError
