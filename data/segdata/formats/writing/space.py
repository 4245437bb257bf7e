"""The classes of written labels, for those who read them again."""

import json
from dataclasses import replace
from pathlib import Path

from segdata.formats.writing.base import write_file
from segdata.labels import IGNORE_INDEX, LABEL_SPACES, Colour, LabelSpace

FILE = "labels.toml"
"""The name of the file that has the classes, where they are not a built-in label space."""


def label_space_of(name: str, names: tuple[str, ...], colours: tuple[Colour, ...]) -> LabelSpace:
    """Return the label space of a model or a prepared dataset: a built-in one, or one whose ids are the class ids."""
    built_in = LABEL_SPACES.get(name)
    if built_in is not None and built_in.names == names:
        return built_in
    own_name = "classes" if built_in else name
    return LabelSpace(own_name, names, colours, tuple((class_id,) for class_id in range(len(names))))


def with_one_id_each(space: LabelSpace) -> LabelSpace:
    """Return the space of written masks: one id a class, its first other than 255, or a free one if it has none."""
    if space.name in LABEL_SPACES:
        return space
    taken = {*space.ignored_ids, *(label_id for ids in space.label_ids for label_id in ids), IGNORE_INDEX}
    free = iter(sorted(set(range(256)) - taken))
    own = ([label_id for label_id in ids if label_id != IGNORE_INDEX] for ids in space.label_ids)
    return replace(space, label_ids=tuple((ids[0] if ids else next(free),) for ids in own))


def write_label_space(folder: Path, space: LabelSpace) -> Path | None:
    """Write `folder`/labels.toml and return its path; None for a built-in space, which needs no file."""
    if space.name in LABEL_SPACES:
        return None
    write_file(folder / FILE, label_space_text(space))
    return folder / FILE


def label_space_text(space: LabelSpace) -> str:
    """Return the space in TOML, as `--label-space` takes it."""
    classes = [
        f"    {{ name = {json.dumps(name)}, colour = {list(colour)}, ids = {list(ids)} }},"
        for name, colour, ids in zip(space.names, space.colours, space.label_ids, strict=True)
    ]
    ignored = [*space.ignored_ids, *(list(colour) for colour in space.ignored_colours)]
    lines = [f"name = {json.dumps(space.name)}", f"ignore = {ignored}", "classes = [", *classes, "]"]
    return "\n".join(lines) + "\n"
