"""The label spaces, row by row against the package that Cityscapes publishes them in."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pytest
from cityscapesscripts.helpers.labels import labels as every_official_label

from segdata.errors import InputError
from segdata.labels import (
    CITYSCAPES,
    CITYSCAPES_8,
    CITYSCAPES_19,
    CITYSCAPES_29,
    IGNORE_INDEX,
    LABEL_SPACES,
    LabelSpace,
    conversion,
    official_classes,
)
from segdata.prepare.label_files import find_label_space

OFFICIAL = [label for label in every_official_label if label.id >= 0]
SPACES = list(CITYSCAPES.values())

Refused = Callable[..., AbstractContextManager[None]]

DESIGN_TABLE = (
    ("unlabelled", (0, 0, 0)), ("dynamic", (111, 74, 0)), ("ground", (81, 0, 81)), ("road", (128, 64, 128)),
    ("sidewalk", (244, 35, 232)), ("parking", (250, 170, 160)), ("rail track", (230, 150, 140)),
    ("building", (70, 70, 70)), ("wall", (102, 102, 156)), ("fence", (190, 153, 153)),
    ("guard rail", (180, 165, 180)), ("bridge", (150, 100, 100)), ("tunnel", (150, 120, 90)),
    ("pole", (153, 153, 153)), ("traffic light", (250, 170, 30)), ("traffic sign", (220, 220, 0)),
    ("vegetation", (107, 142, 35)), ("terrain", (152, 251, 152)), ("sky", (70, 130, 180)), ("person", (220, 20, 60)),
    ("rider", (255, 0, 0)), ("car", (0, 0, 142)), ("truck", (0, 0, 70)), ("bus", (0, 60, 100)),
    ("caravan", (0, 0, 90)), ("trailer", (0, 0, 110)), ("train", (0, 80, 100)), ("motorcycle", (0, 0, 230)),
    ("bicycle", (119, 11, 32)),
)  # fmt: skip


def our_spelling(name: str) -> str:
    return "unlabelled" if name == "unlabeled" else name


def test_cityscapes_29_is_the_table_of_the_design() -> None:
    assert tuple(zip(CITYSCAPES_29.names, CITYSCAPES_29.colours, strict=True)) == DESIGN_TABLE


def test_cityscapes_29_has_one_class_for_each_official_colour() -> None:
    first_of_colour = {label.color: label for label in reversed(OFFICIAL)}
    lookup = CITYSCAPES_29.lookup_from_label_ids()
    assert len(set(CITYSCAPES_29.colours)) == CITYSCAPES_29.class_count == len(first_of_colour) == 29
    for label in OFFICIAL:
        class_id = lookup[label.id]
        assert CITYSCAPES_29.colours[class_id] == label.color
        assert CITYSCAPES_29.names[class_id] == our_spelling(first_of_colour[label.color].name)


def test_cityscapes_29_folds_what_shares_a_colour() -> None:
    assert CITYSCAPES_29.label_ids[0] == (0, 1, 2, 3, 4)
    assert CITYSCAPES_29.label_ids[CITYSCAPES_29.names.index("pole")] == (17, 18)
    assert [ids for ids in CITYSCAPES_29.label_ids if len(ids) > 1] == [(0, 1, 2, 3, 4), (17, 18)]


def test_cityscapes_19_is_the_official_train_ids() -> None:
    lookup = CITYSCAPES_19.lookup_from_label_ids()
    scored = [label for label in OFFICIAL if not label.ignoreInEval]
    assert CITYSCAPES_19.class_count == len(scored) == 19
    for label in scored:
        assert CITYSCAPES_19.names[label.trainId] == label.name
        assert CITYSCAPES_19.colours[label.trainId] == label.color
        assert CITYSCAPES_19.label_ids[label.trainId] == (label.id,)
    for label in OFFICIAL:
        assert lookup[label.id] == label.trainId  # 255 where it is not scored, in their table as in ours


def test_cityscapes_8_is_the_official_categories_in_their_order() -> None:
    lookup = CITYSCAPES_8.lookup_from_label_ids()
    for label in OFFICIAL:
        assert lookup[label.id] == label.categoryId
        assert CITYSCAPES_8.names[label.categoryId] == label.category
    assert CITYSCAPES_8.class_count == 8


def test_a_category_wears_the_colour_of_one_of_its_own_classes() -> None:
    assert len(set(CITYSCAPES_8.colours)) == 8
    for category, colour in zip(CITYSCAPES_8.names, CITYSCAPES_8.colours, strict=True):
        assert colour in {label.color for label in OFFICIAL if label.category == category}


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_ids_that_no_label_image_holds_are_ignored(space: LabelSpace) -> None:
    """The official id of licence plate is -1, which label images cannot contain; as a byte it would be 255."""
    taken = [label_id for ids in space.label_ids for label_id in ids]
    assert len(taken) == len(set(taken))
    assert set(taken) <= {label.id for label in OFFICIAL}
    assert (space.lookup_from_label_ids()[len(OFFICIAL) :] == IGNORE_INDEX).all()


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_the_palette_is_the_colours_then_black(space: LabelSpace) -> None:
    table = space.palette()
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert [tuple(row) for row in table[: space.class_count].tolist()] == list(space.colours)
    assert not table[space.class_count :].any()


def test_a_space_is_found_by_its_name() -> None:
    for space in SPACES:
        assert find_label_space(space.name) is space
    assert [space.class_count for space in SPACES] == [29, 19, 8]


def test_an_unknown_space_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InputError) as refusal:
        find_label_space("ade20k")
    assert str(refusal.value) == f"got label space 'ade20k', need one of {', '.join(LABEL_SPACES)}"


def test_the_scored_classes_are_found_by_name_in_any_space() -> None:
    in_29 = official_classes(CITYSCAPES_29.names)
    assert [CITYSCAPES_29.names[class_id] for class_id in in_29] == list(CITYSCAPES_19.names)
    assert official_classes(CITYSCAPES_19.names) == list(range(19))


@pytest.mark.parametrize(
    ("source", "target", "official"),
    [
        (CITYSCAPES_29, CITYSCAPES_19, "trainId"),
        (CITYSCAPES_29, CITYSCAPES_8, "categoryId"),
        (CITYSCAPES_19, CITYSCAPES_8, "categoryId"),
    ],
)
def test_a_class_becomes_what_it_is_officially_in_a_coarser_space(
    source: LabelSpace, target: LabelSpace, official: str
) -> None:
    table = conversion(source, target)
    assert table.shape == (256,)
    assert table.dtype == np.uint8
    by_name = {our_spelling(label.name): getattr(label, official) for label in OFFICIAL}
    assert table[: source.class_count].tolist() == [by_name[name] for name in source.names]
    assert (table[source.class_count :] == IGNORE_INDEX).all()


def test_unscored_classes_become_ignore() -> None:
    table = conversion(CITYSCAPES_29, CITYSCAPES_19)
    unscored = [c for c, name in enumerate(CITYSCAPES_29.names) if name not in CITYSCAPES_19.names]
    assert len(unscored) == 10
    assert (table[unscored] == IGNORE_INDEX).all()


def test_scored_classes_keep_their_names_in_a_finer_space() -> None:
    table = conversion(CITYSCAPES_19, CITYSCAPES_29)
    assert tuple(CITYSCAPES_29.names[class_id] for class_id in table[:19]) == CITYSCAPES_19.names


@pytest.mark.parametrize(
    "space", [*SPACES, LabelSpace("colours alone", ("a", "b"), ((1, 1, 1), (2, 2, 2)), ((), ()))], ids=lambda s: s.name
)
def test_a_space_becomes_itself_without_change(space: LabelSpace) -> None:
    table = conversion(space, space)
    assert table[: space.class_count].tolist() == list(range(space.class_count))
    assert (table[space.class_count :] == IGNORE_INDEX).all()


@pytest.mark.parametrize("target", [CITYSCAPES_19, CITYSCAPES_29], ids=lambda space: space.name)
def test_a_category_cannot_be_taken_apart(refused: Refused, target: LabelSpace) -> None:
    with refused(f"cityscapes-8 cannot become {target.name}: .*split into .*; start from finer labels"):
        conversion(CITYSCAPES_8, target)
