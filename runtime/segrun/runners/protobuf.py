"""Reads messages of protobuf, field by field; damaged bytes are an error, whatever they are."""

from collections.abc import Iterator

Field = tuple[int, int | memoryview]
"""A field's number, and its value: a number, or its bytes."""

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


class DamagedError(Exception):
    """The bytes are not valid protobuf."""


def fields(message: memoryview) -> Iterator[Field]:
    """Yield the fields of a message in their order; raise DamagedError where it is damaged."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == _VARINT:
            number, position = _varint(message, position)
            yield tag >> 3, number
            continue
        if kind == _LENGTH:
            size, position = _varint(message, position)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            size = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise DamagedError
        if position + size > len(message):
            raise DamagedError
        yield tag >> 3, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return the number that begins at `position`, and the position after it."""
    number = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise DamagedError
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & (2**64 - 1), position
    raise DamagedError


def packed(message: memoryview) -> Iterator[int]:
    """Yield the numbers of a packed field, without their signs."""
    position = 0
    while position < len(message):
        number, position = _varint(message, position)
        yield number


def signed(number: int) -> int:
    """Return a number with its sign: int64 as it is written has none."""
    return number - 2**64 if number >= 2**63 else number


def as_bytes(value: int | memoryview) -> memoryview:
    """Return the bytes of a field; raise DamagedError if it is a number."""
    if isinstance(value, int):
        raise DamagedError
    return value


def as_text(value: int | memoryview) -> str:
    """Return the text of a field; raise DamagedError if it is none."""
    try:
        return str(as_bytes(value), "utf-8")
    except UnicodeDecodeError:
        raise DamagedError from None


def text_in(message: memoryview, wanted: int) -> str:
    """Return the text in field `wanted` of a message, empty if it has none."""
    return next((as_text(value) for number, value in fields(message) if number == wanted), "")
