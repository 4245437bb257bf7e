"""The classes of a run and their colours, where they are not the model's: `--classes`, `--palette`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segdata.errors import InputError
from segdata.labels import CITYSCAPES, CITYSCAPES_29, IGNORE_INDEX, Colour, LabelSpace, colour_of_place, conversion
from segdata.spec import ModelSpec

_SHORT = {name.removeprefix("cityscapes-"): name for name in CITYSCAPES}  # --classes 8


def merged(spec: ModelSpec, classes: str) -> tuple[ModelSpec, npt.NDArray[np.uint8]]:
    """Return the spec with `classes` for its own, and uint8 [256]: position the model's id, value the new one.

    `classes` is cityscapes-8, -19 or -29, its number alone, or a label space in a .toml or .json file. The ids of a
    file are Cityscapes' labelIds where the model's classes have its names, else the model's own class ids. A class
    without a place becomes 255.

    Raises InputError if there is no such label space, a class would have to be split, or none has a place.
    """
    target = _label_space(_SHORT.get(classes, classes))
    table = conversion(_source(spec, builtin=target.name in CITYSCAPES), target)
    table[len(spec.class_names) :] = IGNORE_INDEX
    if (table == IGNORE_INDEX).all():
        named = ", ".join(spec.class_names[:4]) + (" ..." if len(spec.class_names) > 4 else "")
        raise InputError(
            f"got --classes {classes}, which has none of the model's classes ({named}); write a label space whose ids "
            "are the model's class ids"
        )
    return replace(spec, label_space=target.name, class_names=target.names, colours=target.colours), table


def _label_space(name: str) -> LabelSpace:
    from segdata.prepare.label_files import find_label_space

    if name not in CITYSCAPES and Path(name).suffix.lower() not in (".toml", ".json"):
        raise InputError(f"got --classes {name}, need one of {', '.join(CITYSCAPES)}, or a .toml or .json file")
    return find_label_space(name)


def _source(spec: ModelSpec, *, builtin: bool) -> LabelSpace:
    """Return the model's classes with ids: labelIds where they have names of Cityscapes, else their own."""
    known = CITYSCAPES.get(spec.label_space)
    if known is not None and known.names == spec.class_names:
        return known
    label_ids = dict(zip(CITYSCAPES_29.names, CITYSCAPES_29.label_ids, strict=True))
    found = tuple(label_ids.get(name.lower(), ()) for name in spec.class_names)
    if not builtin and not any(found):
        found = tuple((class_id,) for class_id in range(len(spec.class_names)))
    return LabelSpace(f"the model's ({spec.label_space})", spec.class_names, spec.colours, found)


# Cityscapes' buildings are as grey as buildings, and its vehicles nearly black: over a frame they only dim it. Classes
# of one category stay near each other in hue; the categories have the colour of their commonest class.
_VIVID: dict[str, Colour] = {
    "unlabelled": (0, 0, 0), "void": (0, 0, 0), "dynamic": (150, 100, 40), "ground": (120, 20, 130),
    "road": (155, 70, 255), "flat": (155, 70, 255), "sidewalk": (255, 50, 225), "parking": (255, 150, 215),
    "rail track": (205, 120, 175), "building": (255, 135, 70), "construction": (255, 135, 70), "wall": (190, 95, 60),
    "fence": (255, 195, 140), "guard rail": (215, 165, 120), "bridge": (160, 60, 40), "tunnel": (110, 65, 40),
    "pole": (235, 235, 220), "object": (255, 235, 40), "traffic light": (255, 175, 0), "traffic sign": (255, 235, 40),
    "vegetation": (25, 190, 60), "nature": (25, 190, 60), "terrain": (165, 240, 60), "sky": (70, 200, 255),
    "person": (255, 25, 65), "human": (255, 25, 65), "rider": (255, 95, 115), "car": (25, 85, 255),
    "vehicle": (25, 85, 255), "truck": (0, 30, 165), "bus": (0, 165, 165), "caravan": (105, 145, 255),
    "trailer": (90, 110, 190), "train": (0, 110, 130), "motorcycle": (110, 60, 215), "bicycle": (180, 15, 95),
}  # fmt: skip


def vivid(names: Sequence[str]) -> tuple[Colour, ...]:
    """Return a bright RGB colour for each class: by its name or, if that is not one of Cityscapes', by its position."""
    return tuple(_VIVID.get(name.lower()) or _of_place(place) for place, name in enumerate(names))


def _of_place(place: int) -> Colour:
    return colour_of_place(place, (0.85, 0.6)[place % 2], (1.0, 0.85)[place // 2 % 2])
