"""Ways to damage a file, each determined by a random generator: the same seed gives the same damage."""

import json
from copy import deepcopy
from random import Random
from re import finditer
from typing import Any
from xml.etree.ElementTree import fromstring, tostring

DEEP = 10_000
"""How many levels deep the deepest JSON is nested."""

HOT_BYTES = 2048
"""How much of a file's beginning and end is damaged more than the rest: there most formats keep what they promise."""

_RAW = "@@raw "
_NUMBERS = ("1e400", "-1e400", "NaN", "Infinity", "-0.0", "1e-400", "9" * 5000, "1" + "0" * 30, "-1", "0", "0.5", "2.0")
_NESTED = ("[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP)
_TEXTS = (
    "", "../../etc/passwd", "/etc/passwd", "..", ".", "a/b", "a\\b", "C:\\x", "x" * 100_000, "two\nlines", "\x00",
    "\x1b[31mred", "null", "int8", "fp32", "0" * 64, "{name}", "\u202e", "é" * 300,
)  # fmt: skip
_VALUES: tuple[Any, ...] = (None, True, False, [], {}, [[]], {"": None}, [1, 2, 3], ["a"], 255, 256, -256, 2**31, 2**63)


def damaged(data: bytes, random: Random) -> bytes:
    """Return `data` after one to three random changes of its bytes."""
    for _ in range(random.choice((1, 1, 2, 3))):
        data = random.choice(_CHANGES)(data, random)
    return data


def damaged_json(text: str, random: Random) -> str:
    """Return JSON `text` after one to three changes of its values, sometimes to what Python's json would not write."""
    value = json.loads(text)
    for _ in range(random.choice((1, 1, 2, 3))):
        value = _with_change(value, random)
    written = json.dumps(value)
    for index, raw in enumerate((*_NUMBERS, *_NESTED)):
        written = written.replace(json.dumps(f"{_RAW}{index}"), raw)
    return written


def damaged_xml(text: str, random: Random) -> str:
    """Return XML `text` after one to three changes of its elements and their values; it is XML still."""
    root = fromstring(text)
    for _ in range(random.choice((1, 1, 2, 3))):
        above = random.choice([element for element in root.iter() if len(element)] or [root])
        element = random.choice(list(above) or [root])
        action = random.random()
        if action < 0.1 and element is not root:
            above.remove(element)
        elif action < 0.2:
            above.append(deepcopy(element))
        elif action < 0.3:
            element.tag = random.choice(("image", "mask", "polygon", "box", "track", "label", "name", "x" * 1000))
        elif element.attrib and action < 0.9:
            key = random.choice(list(element.attrib))
            if action < 0.4:
                del element.attrib[key]
            else:
                element.set(key, _strange_text(element.get(key) or "", random))
        else:
            element.text = _strange_text(element.text or "", random)
    return tostring(root, encoding="unicode")


def _strange_text(value: str, random: Random) -> str:
    """Return `value` with one of its numbers changed, or a text that XML can hold."""
    numbers = list(finditer(r"-?[0-9.]+", value))
    if numbers and random.random() < 0.6:
        start, end = random.choice(numbers).span()
        strange = random.choice((*_NUMBERS, str(strange_number(random)), "-" + value[start:end], ""))
        return value[:start] + strange + value[end:]
    return "".join(sign for sign in random.choice((*_TEXTS, *_NUMBERS)) if sign == "\n" or sign >= " ")


def strange_number(random: Random) -> int:
    """Return a whole number that a size or an index should not be."""
    return random.choice(
        (-1, 0, 1, 3, 255, 256, 65_535, 2**31 - 1, 2**31, 2**32 - 1, 2**33, 2**62, random.getrandbits(16))
    )


def _with_change(value: Any, random: Random) -> Any:  # noqa: ANN401 - any JSON
    places = _places(value) if isinstance(value, dict | list) else []
    if not places or random.random() < 0.03:
        return _strange(random)
    container, key = random.choice(places)
    action = random.random()
    if action < 0.15:
        del container[key]
    elif action < 0.25 and isinstance(container, list):
        container.insert(key, container[random.randrange(len(container))])
    elif action < 0.25:
        container[random.choice(_TEXTS)] = container[key]
    elif action < 0.35 and isinstance(container[key], int | float):
        container[key] = -container[key]
    else:
        container[key] = _strange(random)
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 - any JSON
    """Return the places of values, few of each long list: otherwise every change would hit its numbers."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        container = waiting.pop()
        keys = list(container) if isinstance(container, dict) else list(range(min(len(container), 3)))
        for key in keys:
            found.append((container, key))
            if isinstance(container[key], dict | list):
                waiting.append(container[key])
    return found


def _strange(random: Random) -> Any:  # noqa: ANN401 - any JSON
    kind = random.random()
    if kind < 0.3:
        return f"{_RAW}{random.randrange(len(_NUMBERS))}"
    if kind < 0.34:
        return f"{_RAW}{len(_NUMBERS) + random.randrange(len(_NESTED))}"
    if kind < 0.65:
        return random.choice(_TEXTS)
    return json.loads(json.dumps(random.choice(_VALUES)))


def _position(data: bytes, random: Random) -> int:
    """Return a position in `data`, half of the time near its beginning or end."""
    place = random.random()
    if place < 0.4:
        return random.randrange(min(len(data), HOT_BYTES))
    if place < 0.6:
        return len(data) - 1 - random.randrange(min(len(data), HOT_BYTES))
    return random.randrange(len(data))


def _flip_bits(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 4, 32)) if data else 0):
        changed[_position(data, random)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _overwrite(data: bytes, random: Random) -> bytes:
    if not data:
        return data
    start = _position(data, random)
    count = random.choice((1, 4, 64, 1024))
    fill = random.choice((b"\0" * count, b"\xff" * count, random.randbytes(count)))
    return data[:start] + fill[: len(data) - start] + data[start + count :]


def _big_number(data: bytes, random: Random) -> bytes:
    """Write a number of 2, 4 or 8 bytes, as sizes are, somewhere."""
    if not data:
        return data
    start, width = _position(data, random), random.choice((2, 4, 4, 8))
    number = (strange_number(random) % (1 << 8 * width)).to_bytes(width, random.choice(("big", "little")))
    return data[:start] + number + data[start + width :]


def _cut(data: bytes, random: Random) -> bytes:
    return data[: _position(data, random)] if data else data


def _remove(data: bytes, random: Random) -> bytes:
    start = _position(data, random) if data else 0
    return data[:start] + data[start + random.choice((1, 4, 100, 5000)) :]


def _insert(data: bytes, random: Random) -> bytes:
    start = _position(data, random) if data else 0
    return data[:start] + random.randbytes(random.choice((1, 4, 100))) + data[start:]


def _repeat(data: bytes, random: Random) -> bytes:
    if not data:
        return data
    start, count = _position(data, random), random.choice((4, 64, 1024))
    return data[:start] + data[start : start + count] * random.choice((2, 3, 50)) + data[start + count :]


def _swap(data: bytes, random: Random) -> bytes:
    if len(data) < 16:
        return data
    count = random.choice((1, 4, 64))
    first, second = sorted((_position(data, random), _position(data, random)))
    if first + count > second:
        return data
    return (
        data[:first] + data[second : second + count] + data[first + count : second] + data[first : first + count]
        + data[second + count :]
    )  # fmt: skip


def _empty_or_garbage(data: bytes, random: Random) -> bytes:
    return random.choice((b"", b"\0" * 100, random.randbytes(len(data) % 5000), b"#!/bin/sh\n", data * 2))


_CHANGES = (
    _flip_bits, _flip_bits, _flip_bits, _overwrite, _overwrite, _big_number, _big_number, _cut, _remove, _insert,
    _repeat, _swap, _empty_or_garbage,
)  # fmt: skip
