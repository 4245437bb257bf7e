"""The label spaces of Cityscapes: which classes there are, their colours, and the labelIds each one takes.

Source of names, ids and colours: `cityscapesscripts.helpers.labels` (a test compares every row with it).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segdata.errors import InputError

IGNORE_INDEX = 255
"""The class id that training and every metric leave out, in all label spaces."""

Colour = tuple[int, int, int]
"""Red, green, blue; each 0 to 255."""


@dataclass(frozen=True)
class LabelSpace:
    """An ordered set of classes; a class id is a position in `names`.

    `label_ids[c]` are the ids (for Cityscapes' spaces the official labelIds) that class `c` takes. `ignored_ids` and
    `ignored_colours` are known and stand for no class. Any other id or colour is unknown: it becomes ignore, too, but
    only few pixels of a label image may be so (`segdata.prepare.decoding`).
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


def palette(colours: Sequence[Colour]) -> npt.NDArray[np.uint8]:
    """Return RGB `colours` as uint8 [256, 3], black after the last."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(colours)] = colours
    return table


# labelId, name, RGB, category: the rows of Cityscapes that can stand in a label image.
_OFFICIAL: tuple[tuple[int, str, Colour, str], ...] = (
    (0, "unlabelled", (0, 0, 0), "void"),
    (1, "ego vehicle", (0, 0, 0), "void"),
    (2, "rectification border", (0, 0, 0), "void"),
    (3, "out of roi", (0, 0, 0), "void"),
    (4, "static", (0, 0, 0), "void"),
    (5, "dynamic", (111, 74, 0), "void"),
    (6, "ground", (81, 0, 81), "void"),
    (7, "road", (128, 64, 128), "flat"),
    (8, "sidewalk", (244, 35, 232), "flat"),
    (9, "parking", (250, 170, 160), "flat"),
    (10, "rail track", (230, 150, 140), "flat"),
    (11, "building", (70, 70, 70), "construction"),
    (12, "wall", (102, 102, 156), "construction"),
    (13, "fence", (190, 153, 153), "construction"),
    (14, "guard rail", (180, 165, 180), "construction"),
    (15, "bridge", (150, 100, 100), "construction"),
    (16, "tunnel", (150, 120, 90), "construction"),
    (17, "pole", (153, 153, 153), "object"),
    (18, "polegroup", (153, 153, 153), "object"),
    (19, "traffic light", (250, 170, 30), "object"),
    (20, "traffic sign", (220, 220, 0), "object"),
    (21, "vegetation", (107, 142, 35), "nature"),
    (22, "terrain", (152, 251, 152), "nature"),
    (23, "sky", (70, 130, 180), "sky"),
    (24, "person", (220, 20, 60), "human"),
    (25, "rider", (255, 0, 0), "human"),
    (26, "car", (0, 0, 142), "vehicle"),
    (27, "truck", (0, 0, 70), "vehicle"),
    (28, "bus", (0, 60, 100), "vehicle"),
    (29, "caravan", (0, 0, 90), "vehicle"),
    (30, "trailer", (0, 0, 110), "vehicle"),
    (31, "train", (0, 80, 100), "vehicle"),
    (32, "motorcycle", (0, 0, 230), "vehicle"),
    (33, "bicycle", (119, 11, 32), "vehicle"),
)

# The labelIds that Cityscapes scores, in the order of its trainIds.
_TRAIN_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)

# A category has no colour of its own in Cityscapes: each wears that of its commonest class.
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


CITYSCAPES_29 = _distinct_colours()
CITYSCAPES_19 = _train_ids()
CITYSCAPES_8 = _categories()

LABEL_SPACES = {space.name: space for space in (CITYSCAPES_29, CITYSCAPES_19, CITYSCAPES_8)}


def label_space(name: str) -> LabelSpace:
    """Return the label space called `name`; raise InputError with the known names if it is not among them."""
    try:
        return LABEL_SPACES[name]
    except KeyError:
        raise InputError(f"got label space {name!r}, need one of {', '.join(LABEL_SPACES)}") from None


def conversion(source: LabelSpace, target: LabelSpace) -> npt.NDArray[np.uint8]:
    """Return uint8 [256]: position class id of `source`, value class id of `target`.

    A class goes where its labelIds go, by the first of them where it folds in lesser ones (pole has polegroup's); it
    becomes ignore (255) where `target` takes none of them. Raises InputError if a class would have to be taken apart.
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
                f"{source.name} cannot become {target.name}: {source.names[class_id]} would have to be told apart into "
                f"{names}; start from labels that tell more"
            )
        if ids:
            table[class_id] = to_target[ids[0]]
    return table


def official_classes(names: Sequence[str]) -> list[int]:
    """Return the positions in `names` of the classes that Cityscapes scores (19, if all are there)."""
    scored = set(CITYSCAPES_19.names)
    return [class_id for class_id, name in enumerate(names) if name in scored]
