"""Values from annotations, each of the type it should be, or an InputError that names the file."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segdata.errors import InputError
from segdata.labels import Colour

_LONGEST_NAME = 200
SPLIT_NAMES = {
    "training": "train", "valid": "val", "validation": "val", "testing": "test",
    "train": "train", "val": "val", "test": "test",
}  # fmt: skip
"""The names of splits, in lower case, as folders and files have them, and their names here."""

LARGEST_IMAGE = 1 << 26
"""Pixels of the largest image that is read, and so of a mask."""

_WORDS = re.compile(r"[A-Za-z]+")
_HEXADECIMAL = re.compile(r"#([0-9A-Fa-f]{2})([0-9A-Fa-f]{2})([0-9A-Fa-f]{2})")


def number_of(item: Any, key: str, file: Path) -> int:  # noqa: ANN401 - any JSON
    """Return a whole number of a JSON object."""
    value = item.get(key) if isinstance(item, dict) else None
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(f"{file}: {key} is {value!r:.40}, need a whole number")
    try:
        number = int(value)
    except (ValueError, OverflowError):
        number = None
    if number is None or (isinstance(value, float) and number != value):
        raise InputError(f"{file}: {key} is {value!r:.40}, need a whole number")
    return number


def name_of(item: Any, key: str, file: Path) -> str:  # noqa: ANN401 - any JSON
    """Return a name of a JSON object, of one line."""
    value = item.get(key) if isinstance(item, dict) else None
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_NAME or not value.isprintable():
        raise InputError(f"{file}: {key} is {value!r:.40}, need a name of one line")
    return value.strip()


def size_of(item: dict[str, Any], file: Path, keys: tuple[str, str] = ("height", "width")) -> tuple[int, int] | None:
    """Return the height and width that the annotations give an image; None if they give none."""
    if any(item.get(key) is None for key in keys):
        return None
    height, width = (number_of(item, key, file) for key in keys)
    if height < 1 or width < 1:
        raise InputError(f"{file}: an image of {width}x{height} pixels")
    return height, width


def finite_of(value: Any, what: str, file: Path) -> float:  # noqa: ANN401 - any JSON
    """Return a finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{file}: {what} is {value!r:.40}, need a number")
    return number


def colour_of(value: Any) -> Colour | None:  # noqa: ANN401 - any JSON
    """Return a colour from three bytes or #RRGGBB; None if it is neither."""
    if isinstance(value, str):
        match = _HEXADECIMAL.fullmatch(value)
        return (int(match[1], 16), int(match[2], 16), int(match[3], 16)) if match else None
    if isinstance(value, list) and len(value) == 3 and all(type(part) is int and 0 <= part <= 255 for part in value):
        return value[0], value[1], value[2]
    return None


def split_of(file: Path, source: Path) -> str:
    """Return the split named by a file, or by a folder above it; "" if none is."""
    for part in (file.stem, *reversed(file.parent.relative_to(source).parts)):
        for word in _WORDS.findall(part):
            if word.lower() in SPLIT_NAMES:
                return SPLIT_NAMES[word.lower()]
    return ""


@contextmanager
def told_of(file: Path) -> Iterator[None]:
    """Put the name of the file before an InputError in the block."""
    try:
        yield
    except InputError as error:
        raise error if str(error).startswith(str(file)) else InputError(f"{file}: {error}") from None


def unreadable(file: Path, kind: str, error: Exception) -> InputError:
    """Return the error of a file that cannot be read, or is not of its kind."""
    if isinstance(error, OSError):
        return InputError(f"{file}: cannot be read ({error.strerror or error}); replace or remove it")
    return InputError(f"{file}: not a complete {kind} ({' '.join(str(error).split())[:100]}); replace or remove it")
