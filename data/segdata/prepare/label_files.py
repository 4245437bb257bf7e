"""Finds a label space by its name, or reads one from a TOML or JSON file."""

import codecs
import json
import sys
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le, Len
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from segdata.errors import InputError
from segdata.labels import LABEL_SPACES, LabelSpace
from segdata.spec import Name
from segdata.text import first_problem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MOST_COLOURS = 254  # of classes and ignored: as many as a byte tells apart, without 255
_Byte = Annotated[int, Ge(0), Le(255)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ClassEntry:
    """One class of the file: its name, its RGB colour, and the ids that stand for it in id masks."""

    name: Name
    colour: tuple[_Byte, _Byte, _Byte]
    ids: tuple[_Byte, ...]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class LabelSpaceFile:
    """The whole file; `ignore` are ids and colours that stand for no class."""

    name: Name
    classes: Annotated[tuple[ClassEntry, ...], Len(1, 254)]
    ignore: tuple[_Byte | tuple[_Byte, _Byte, _Byte], ...] = ()


def find_label_space(name: str) -> LabelSpace:
    """Return the built-in label space called `name`, or the one in the .toml or .json file of that path.

    Raises InputError if it is neither, or if the file is not a label space.
    """
    path = Path(name)
    suffix = path.suffix.lower()
    if name in LABEL_SPACES:
        return LABEL_SPACES[name]
    if suffix not in (".toml", ".json"):
        raise InputError(f"got label space {name!r}, need one of {', '.join(LABEL_SPACES)}")
    if path.exists() and not path.is_file() and not path.is_dir():  # opening a pipe would wait for its writer
        raise InputError(f"{path}: not a file; need a label space in TOML or JSON")
    try:
        text = _decoded(path.read_bytes())
        content = tomllib.loads(text) if suffix == ".toml" else json.loads(text)
        entries = TypeAdapter(LabelSpaceFile).validate_python(content)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); need a label space in TOML or JSON") from None
    except ValidationError as error:
        raise InputError(f"{path}: {first_problem(error)}; need name and classes with name, colour, ids") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not {suffix[1:].upper()} ({' '.join(str(error).split())[:200]})") from None
    _check(path, entries)
    return LabelSpace(
        name=entries.name,
        names=tuple(entry.name for entry in entries.classes),
        colours=tuple(entry.colour for entry in entries.classes),
        label_ids=tuple(entry.ids for entry in entries.classes),
        ignored_ids=tuple(value for value in entries.ignore if isinstance(value, int)),
        ignored_colours=tuple(value for value in entries.ignore if isinstance(value, tuple)),
    )


def _decoded(content: bytes) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with the mark that Windows' editors write."""
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    # TOML wants its lines to end like this.
    return content.decode(encoding).replace("\r\n", "\n")


def _check(path: Path, entries: LabelSpaceFile) -> None:
    if entries.name in LABEL_SPACES:
        raise InputError(f"{path}: the name {entries.name!r} is that of a built-in label space; choose another")
    for what, values in (
        ("name", [entry.name for entry in entries.classes]),
        ("colour", [entry.colour for entry in entries.classes]),
        ("id", [label_id for entry in entries.classes for label_id in entry.ids]),
    ):
        twice = next((value for index, value in enumerate(values) if value in values[:index]), None)
        if twice is not None:
            raise InputError(f"{path}: the {what} {twice!r} stands for two classes; give each its own")
        if (ignored := next((value for value in entries.ignore if value in values), None)) is not None:
            raise InputError(f"{path}: the {what} {ignored!r} is that of a class, and to be ignored; leave one out")
    colours = sum(isinstance(value, tuple) for value in entries.ignore)
    if len(entries.classes) + colours > _MOST_COLOURS:
        raise InputError(
            f"{path}: {len(entries.classes)} classes and {colours} colours to ignore; need {_MOST_COLOURS}"
        )
