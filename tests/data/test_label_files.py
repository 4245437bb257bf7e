"""Label spaces of the user's own: what is read, and what is refused in one line."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segdata.labels import LABEL_SPACES, LabelSpace
from segdata.prepare.label_files import find_label_space

Refused = Callable[..., AbstractContextManager[None]]

TOML = """
name = "yard"

[[classes]]
name = "Straße"
colour = [0, 255, 1]
ids = [0, 3]

[[classes]]
name = "rest"
colour = [9, 9, 9]
ids = []
"""
YARD = LabelSpace("yard", ("Straße", "rest"), ((0, 255, 1), (9, 9, 9)), ((0, 3), ()))


def content() -> dict[str, Any]:
    return {
        "name": "yard",
        "classes": [
            {"name": "Straße", "colour": [0, 255, 1], "ids": [0, 3]},
            {"name": "rest", "colour": [9, 9, 9], "ids": []},
        ],
    }


def of_class(**values: object) -> dict[str, Any]:
    """Return the content with these values in its second class."""
    changed = content()
    changed["classes"][1].update(values)
    return changed


def without(key: str) -> dict[str, Any]:
    changed = content()
    del changed["classes"][1][key]
    return changed


@pytest.mark.parametrize("name", LABEL_SPACES)
def test_a_built_in_space_is_found_by_its_name(name: str) -> None:
    assert find_label_space(name) is LABEL_SPACES[name]


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(TOML, encoding="utf-8")
    (tmp_path / "own.json").write_text(json.dumps(content()), encoding="utf-8")
    assert find_label_space(str(tmp_path / "own.toml")) == YARD
    assert find_label_space(str(tmp_path / "own.json")) == YARD


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_ids_and_colours_to_ignore_are_named_in_one_list(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"own.{suffix}"
    line = "ignore = [1, [224, 224, 192], 7]\n"
    path.write_text(line + TOML if suffix == "toml" else json.dumps(content() | {"ignore": [1, [224, 224, 192], 7]}))
    assert find_label_space(str(path)) == replace(YARD, ignored_ids=(1, 7), ignored_colours=((224, 224, 192),))


@pytest.mark.parametrize("name", ["cityscapes", "own.yaml", ""])
def test_an_unknown_name_is_refused(refused: Refused, name: str) -> None:
    with refused(f"got label space '{name}', need one of cityscapes-29, "):
        find_label_space(name)


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, refused: Refused, suffix: str) -> None:
    path = tmp_path / f"own.{suffix}"
    with refused(f"{path}: cannot be read .No such file or directory.; need a label space in TOML or JSON"):
        find_label_space(str(path))
    path.mkdir()
    with refused(f"{path}: cannot be read .Is a directory.; need a label space in TOML or JSON"):
        find_label_space(str(path))


@pytest.mark.parametrize(
    "text", [b'name = "yard\n', b'{"name": ', b"\xff\xfe\0", b"[" * 100_000, b"a = " + b"[" * 100_000]
)
@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_a_broken_file_is_refused(tmp_path: Path, refused: Refused, suffix: str, text: bytes) -> None:
    path = tmp_path / f"own.{suffix}"
    path.write_bytes(text)
    with refused(f"{path}: not {suffix.upper()} .+"):
        find_label_space(str(path))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], "the file: .*; need name and classes with name, colour, ids"),
        ({"name": "yard"}, "classes: .*; need name and classes"),
        ({"classes": content()["classes"]}, "name: .*; need name and classes"),
        ({"name": "yard", "classes": []}, "classes: .*; need name and classes"),
        (content() | {"ignore": 0}, "ignore: .*; need name and classes"),
        (content() | {"ignore": [256]}, "ignore.0.*"),
        (content() | {"ignore": [[0, 0]]}, "ignore.0.*"),
        (content() | {"ignore": ["void"]}, "ignore.0.*"),
        (content() | {"ignore": [1, 3]}, "the id 3 is that of a class, and to be ignored; leave one out"),
        (content() | {"ignore": [[9, 9, 9]]}, r"the colour \(9, 9, 9\) is that of a class, and to be ignored"),
        (content() | {"ignore": [[0, 0, n] for n in range(253)]}, "2 classes and 253 colours to ignore; need 254"),
        (content() | {"colour": 1}, "colour: .*; need name and classes"),
        (of_class(color=[1, 2, 3]), "classes.1.color: .*; need name and classes"),
        (without("name"), "classes.1.name: .*"),
        (without("colour"), "classes.1.colour: .*"),
        (without("ids"), "classes.1.ids: .*"),
        (of_class(colour=[0, 0, 256]), "classes.1.colour.2: .*less than or equal to 255"),
        (of_class(colour=[0, -1, 0]), "classes.1.colour.1: .*greater than or equal to 0"),
        (of_class(colour=[0, 0]), "classes.1.colour.*"),
        (of_class(colour="black"), "classes.1.colour: .*"),
        (of_class(ids=[256]), "classes.1.ids.0: .*less than or equal to 255"),
        (of_class(ids=[-1]), "classes.1.ids.0: .*greater than or equal to 0"),
        (of_class(ids=[3]), "the id 3 stands for two classes; give each its own"),
        (of_class(name="Straße"), "the name 'Straße' stands for two classes; give each its own"),
        (of_class(colour=[0, 255, 1]), r"the colour \(0, 255, 1\) stands for two classes; give each its own"),
        (content() | {"name": "cityscapes-29"}, "the name 'cityscapes-29' is that of a built-in label space"),
    ],
)
def test_wrong_content_is_refused(tmp_path: Path, refused: Refused, wrong: object, words: str) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(wrong), encoding="utf-8")
    with refused(f"^{path}: {words}"):
        find_label_space(str(path))


@pytest.mark.parametrize(("count", "fits"), [(254, True), (255, False)])
def test_as_many_classes_as_a_byte_tells_apart(tmp_path: Path, refused: Refused, count: int, fits: bool) -> None:
    """255 is ignore, so ids end before it."""
    classes = [{"name": str(index), "colour": [index, 0, 0], "ids": [index]} for index in range(count)]
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"name": "many", "classes": classes}), encoding="utf-8")
    if fits:
        assert find_label_space(str(path)).class_count == count
    else:
        with refused("classes: .*at most 254"):
            find_label_space(str(path))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_windows_editors_save_is_read(tmp_path: Path, encoding: str, newline: str) -> None:
    text = newline.join(
        ('name = "two"', "classes = [", '  { name = "Straße", colour = [1, 2, 3], ids = [1] },', "]", "")
    )
    (tmp_path / "two.TOML").write_bytes(text.encode(encoding))
    assert find_label_space(str(tmp_path / "two.TOML")).names == ("Straße",)
    classes = [{"name": "Straße", "colour": [1, 2, 3], "ids": [1]}]
    (tmp_path / "two.json").write_bytes(json.dumps({"name": "two", "classes": classes}).encode(encoding))
    assert find_label_space(str(tmp_path / "two.json")).names == ("Straße",)
