"""JSON of any size, read piece by piece: only what is kept takes memory."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from segdata.errors import InputError
from segdata.formats.reading.values import unreadable

LARGEST = 1_500_000_000
"""The largest file that is read, in bytes: what is kept of a larger one would not fit into many machines' memory."""

_PIECE = 1 << 20  # letters
_LARGEST_ITEM = 1 << 26  # letters of one annotation
_SPACE = " \t\n\r"
_DECODER = json.JSONDecoder()

Object = dict[str, Any]
"""A JSON object; nothing is known of the types in it."""


def items(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield what a file holds: of an object each key with its value, of a list "" with each of its items.

    A list within the object is yielded item by item, with its key. Raises InputError if the file cannot be read, is
    larger than `LARGEST`, or is not such JSON.
    """
    try:
        with path.open(encoding="utf-8-sig") as stream:
            if path.stat().st_size > LARGEST:
                raise InputError(f"{path}: {path.stat().st_size:,} bytes, need {LARGEST:,} or less; split it")
            yield from _Reader(path, stream).items()
    except (OSError, ValueError, RecursionError) as error:
        raise unreadable(path, "JSON", error) from None


def whole(path: Path, largest: int = _LARGEST_ITEM) -> Any:  # noqa: ANN401 - any JSON
    """Return what a small file holds; raise InputError if it cannot be read, or is larger than `largest` bytes."""
    try:
        if path.stat().st_size > largest:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes, need {largest:,} or less")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise unreadable(path, "JSON", error) from None


class _Reader:
    """Takes values from the front of a text, holding no more of it than one value needs."""

    def __init__(self, path: Path, stream: IO[str]) -> None:
        self._path, self._stream = path, stream
        self._text, self._at = "", 0

    def items(self) -> Iterator[tuple[str, Any]]:
        first = self._next()
        if first == "[":
            yield from (("", item) for item in self._list())
        elif first == "{":
            while self._next_of("}"):
                key = self._value()
                if self._next() != ":" or not isinstance(key, str):
                    raise ValueError("a key without its value")
                if self._peek() == "[":
                    self._next()
                    yield from ((key, item) for item in self._list())
                else:
                    yield key, self._value()
        else:
            raise ValueError("neither an object nor a list")

    def _list(self) -> Iterator[Any]:
        while self._next_of("]"):
            yield self._value()

    def _next_of(self, end: str) -> bool:
        """Return whether one more value comes before `end`; pass over `end`, or the comma between two."""
        sign = self._peek()
        if sign == end:
            self._next()
            return False
        if sign == ",":
            self._next()
        if not self._peek():
            raise ValueError("it is cut off")
        return True

    def _peek(self) -> str:
        """Return the next character that is not a space, "" at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _next(self) -> str:
        sign = self._peek()
        self._at += 1
        return sign

    def _value(self) -> Any:  # noqa: ANN401 - any JSON
        self._peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if not self._more():
                    raise
                continue
            # A number at the end of what was read may continue.
            if end < len(self._text) or not self._more():
                self._at = end
                return value

    def _more(self) -> bool:
        """Read on, at least as much as is held; return False at the end of the file."""
        self._text, self._at = self._text[self._at :], 0
        if len(self._text) > _LARGEST_ITEM:
            raise InputError(f"{self._path}: a value of more than {_LARGEST_ITEM:,} letters; is it what it should be?")
        piece = self._stream.read(max(_PIECE, len(self._text)))
        self._text += piece
        return bool(piece)
