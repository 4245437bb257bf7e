"""The label spaces of street datasets: which classes there are, their colours, and the ids each one takes in masks.

Names, ids and colours are in the tables in `spaces`, which name their sources.
"""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segdata.errors import InputError

IGNORE_INDEX = 255
"""The class id that training and every metric leave out, in all label spaces."""

_GOLDEN = 0.618034  # of the circle of hues: steps of the golden ratio spread any number of them evenly

Colour = tuple[int, int, int]
"""Red, green, blue; each 0 to 255."""

LabelMap = npt.NDArray[np.uint8]
"""The class id of each pixel of one frame, uint8 [H, W]."""


@dataclass(frozen=True)
class LabelSpace:
    """An ordered set of classes; a class id is a position in `names`.

    `label_ids[c]` are the ids (for Cityscapes' spaces the official labelIds) that class `c` takes. `ignored_ids` and
    `ignored_colours` are known and stand for no class. Any other id or colour is unknown: it becomes ignore, too, but
    only few pixels of a label image may be so (`segdata.prepare.labels.decoding`).
    """

    name: str
    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    label_ids: tuple[tuple[int, ...], ...]
    ignored_ids: tuple[int, ...] = ()
    ignored_colours: tuple[Colour, ...] = ()

    @property
    def class_count(self) -> int:
        """How many classes there are, ignore not counted."""
        return len(self.names)

    def palette(self) -> npt.NDArray[np.uint8]:
        """Return RGB colours as uint8 [256, 3]; ids that are no class, 255 among them, are black."""
        return palette(self.colours)

    def lookup_from_label_ids(self) -> npt.NDArray[np.uint8]:
        """Return uint8 [256]: position labelId, value class id, 255 where no class takes the labelId."""
        table = np.full(256, IGNORE_INDEX, dtype=np.uint8)
        for class_id, ids in enumerate(self.label_ids):
            table[list(ids)] = class_id
        return table


def hexadecimal(colour: Colour) -> str:
    """Return a colour as web pages write it, #804080."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def colour_of_place(place: int, saturation: float, value: float) -> Colour:
    """Return the colour of one item in a list of any length: far in hue from those before it.

    `saturation` and `value` are HSV's, 0 to 1.
    """
    red, green, blue = colorsys.hsv_to_rgb(place * _GOLDEN % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def class_shares(labels: LabelMap, names: Sequence[str]) -> dict[str, float]:
    """Return the share of the picture, 0 to 1, that each class covers; classes that are not there are left out."""
    counts = np.bincount(labels.ravel(), minlength=len(names))[: len(names)]
    return {name: float(count / labels.size) for name, count in zip(names, counts, strict=True) if count}


def palette(colours: Sequence[Colour]) -> npt.NDArray[np.uint8]:
    """Return RGB `colours` as uint8 [256, 3], black after the last."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(colours)] = colours
    return table


_TABLES = Path(__file__).parent / "spaces"


def _rows(table: str, columns: int) -> list[tuple[int, Colour, list[str]]]:
    """Return the rows of a table of `spaces`: id, colour, and the words after them, in `columns` columns."""
    lines = (_TABLES / f"{table}.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split(maxsplit=columns - 1) for line in lines if not line.startswith("#")]
    return [(int(number), (int(red), int(green), int(blue)), words) for number, red, green, blue, *words in rows]


_OFFICIAL = [(label_id, name, colour, category) for label_id, colour, (category, name) in _rows("cityscapes", 6)]

# The labelIds that Cityscapes scores, in the order of its trainIds.
_TRAIN_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)

# A category has no colour of its own in Cityscapes: each takes that of its commonest class.
_CATEGORY_COLOUR = {
    "void": "unlabelled", "flat": "road", "construction": "building", "object": "pole",
    "nature": "vegetation", "sky": "sky", "human": "person", "vehicle": "car",
}  # fmt: skip


def _distinct_colours() -> LabelSpace:
    """One class a colour: what a colour image can tell apart. It is the 29 classes of the colour palette."""
    first_name: dict[Colour, str] = {}
    ids: dict[Colour, tuple[int, ...]] = {}
    for label_id, name, colour, _ in _OFFICIAL:
        first_name.setdefault(colour, name)
        ids[colour] = (*ids.get(colour, ()), label_id)
    return LabelSpace("cityscapes-29", tuple(first_name.values()), tuple(first_name), tuple(ids.values()))


def _train_ids() -> LabelSpace:
    rows = [_OFFICIAL[label_id] for label_id in _TRAIN_LABEL_IDS]
    return LabelSpace(
        "cityscapes-19",
        tuple(name for _, name, _, _ in rows),
        tuple(colour for _, _, colour, _ in rows),
        tuple((label_id,) for label_id, _, _, _ in rows),
    )


def _categories() -> LabelSpace:
    colour_of = {name: colour for _, name, colour, _ in _OFFICIAL}
    return LabelSpace(
        "cityscapes-8",
        tuple(_CATEGORY_COLOUR),
        tuple(colour_of[name] for name in _CATEGORY_COLOUR.values()),
        tuple(tuple(row[0] for row in _OFFICIAL if row[3] == category) for category in _CATEGORY_COLOUR),
    )


def _bdd100k() -> LabelSpace:
    """Return BDD100K's classes: those that Cityscapes scores, and its trainIds (bdd100k/label/label.py says so)."""
    ids = tuple((train_id,) for train_id in range(CITYSCAPES_19.class_count))
    return replace(CITYSCAPES_19, name="bdd100k", label_ids=ids)


def _listed(table: str) -> LabelSpace:
    """Return the classes of a table of `spaces`, those with a star behind their name ignored."""
    rows = [(number, colour, name) for number, colour, (name,) in _rows(table, 5)]
    kept = [row for row in rows if not row[2].endswith("*")]
    left_out = [row for row in rows if row[2].endswith("*")]
    taken = {colour for _, colour, _ in kept}
    return LabelSpace(
        table,
        tuple(name for _, _, name in kept),
        tuple(colour for _, colour, _ in kept),
        tuple((number,) for number, _, _ in kept),
        tuple(number for number, _, _ in left_out),
        tuple(colour for _, colour, _ in left_out if colour not in taken),
    )


CITYSCAPES_29 = _distinct_colours()
CITYSCAPES_19 = _train_ids()
CITYSCAPES_8 = _categories()

CITYSCAPES = {space.name: space for space in (CITYSCAPES_29, CITYSCAPES_19, CITYSCAPES_8)}
"""Those whose ids are Cityscapes' labelIds, by name: one can become another (`conversion`)."""

_OTHERS = (
    _bdd100k(),
    _listed("camvid"),
    _listed("camvid-11"),
    _listed("mapillary-v1.2"),
    _listed("mapillary-v2.0"),
)

LABEL_SPACES = CITYSCAPES | {space.name: space for space in _OTHERS}
"""All that are built in, by name."""


def conversion(source: LabelSpace, target: LabelSpace) -> npt.NDArray[np.uint8]:
    """Return uint8 [256]: position class id of `source`, value class id of `target`.

    A class goes where its labelIds go, by the first of them where it folds in lesser ones (pole has polegroup's); it
    becomes ignore (255) where `target` takes none of them. Raises InputError if a class would have to be split.
    """
    table = np.full(256, IGNORE_INDEX, dtype=np.uint8)
    if source == target:  # also where a class has no ids, as in a space of colours alone
        table[: source.class_count] = np.arange(source.class_count)
        return table
    to_target = target.lookup_from_label_ids()
    for class_id, ids in enumerate(source.label_ids):
        takers = sorted({int(to_target[label_id]) for label_id in ids} - {IGNORE_INDEX})
        if len(takers) > 1:
            names = ", ".join(target.names[taker] for taker in takers)
            raise InputError(
                f"{source.name} cannot become {target.name}: {source.names[class_id]} would have to be split into "
                f"{names}; start from finer labels"
            )
        if ids:
            table[class_id] = to_target[ids[0]]
    return table


def official_classes(names: Sequence[str]) -> list[int]:
    """Return the positions in `names` of the classes that Cityscapes scores (19, if all are there)."""
    scored = set(CITYSCAPES_19.names)
    return [class_id for class_id, name in enumerate(names) if name in scored]
