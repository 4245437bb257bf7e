"""A label space of the classes that another tool's annotations name."""

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from segdata.errors import InputError
from segdata.formats.reading.base import ClassFound
from segdata.formats.reading.open import classes_of
from segdata.formats.writing.base import write_file
from segdata.formats.writing.space import label_space_text
from segdata.labels import IGNORE_INDEX, LABEL_SPACES, Colour, LabelSpace, colour_of_place
from segdata.options import ClassesOptions

_MOST_CLASSES = 254


def write_classes(options: ClassesOptions) -> LabelSpace:
    """Write the classes of `options.source` to `options.output`, in TOML, and return them.

    Raises InputError if there are no annotations, if they name no class or too many, or if the file is there already.
    """
    if options.output.suffix.lower() != ".toml":
        raise InputError(f"got output {options.output}, need a name that ends in .toml")
    if options.output.exists():
        raise InputError(f"{options.output}: is there already; remove it, or name another file")
    space = label_space_of_classes(_name(options.source), classes_of(options.source))
    write_file(options.output, label_space_text(space))
    return space


def label_space_of_classes(name: str, classes: tuple[ClassFound, ...]) -> LabelSpace:
    """Return classes as a label space: of their own numbers and colours where they have some that are free."""
    if not 0 < len(classes) <= _MOST_CLASSES:
        raise InputError(f"{name}: annotations of {len(classes)} classes, need 1 to {_MOST_CLASSES}")
    names = [found.name for found in classes]
    twice = next((one for index, one in enumerate(names) if one in names[:index]), None)
    if twice is not None:
        raise InputError(f"{name}: two classes are called {twice!r}; rename one")
    numbers = [found.number for found in classes]
    own = all(number is not None and 0 <= number < IGNORE_INDEX for number in numbers)
    ids = numbers if own and len(set(numbers)) == len(numbers) else range(len(names))
    return LabelSpace(name, tuple(names), tuple(_colours(classes)), tuple((number or 0,) for number in ids))


def _colours(classes: tuple[ClassFound, ...]) -> Iterator[Colour]:
    taken = {found.colour for found in classes}
    used: set[Colour] = set()
    made = _distinct_colours()
    for found in classes:
        colour = found.colour
        while colour is None or colour in used or (colour != found.colour and colour in taken):
            colour = next(made)
        used.add(colour)
        yield colour


def _distinct_colours() -> Iterator[Colour]:
    return (colour_of_place(place, 0.8, (1.0, 0.75, 0.5)[place // 12 % 3]) for place in count())


def _name(source: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9-]+", "-", source.resolve().name).strip("-") or "classes"
    return f"{name}-classes" if name in LABEL_SPACES else name
