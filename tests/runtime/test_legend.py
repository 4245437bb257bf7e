"""The legend and the speed: readable in any picture, in the classes' colours; the rest of the picture is unchanged."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segdata.labels import CITYSCAPES_8, CITYSCAPES_29, LabelSpace
from segdata.video.picture import Picture
from segdata.video.yuv import ColourCoding
from segrun.drawing.legend import Legend, SpeedText

SIZES = [(720, 1280), (540, 960), (1024, 2048), (180, 320), (568, 320), (96, 160), (97, 161)]
LIMITED, FULL = ColourCoding("bt709", full_range=False), ColourCoding("bt601", full_range=True)
Box = tuple[slice, slice]


def grey(height: int, width: int, coding: ColourCoding = LIMITED) -> Picture:
    """A picture that is noise, so that whatever touches it shows."""
    picture = Picture.blank(height, width, coding)
    for seed, plane in enumerate(picture.planes):
        plane[:] = np.random.default_rng(seed).integers(100, 156, plane.shape)
    return picture


def legend(space: LabelSpace, picture: Picture) -> Legend:
    entries = tuple(zip(space.names, space.colours, strict=True))
    return Legend(entries, picture.height, picture.width, picture.coding)


def touched(before: Picture, after: Picture) -> list[npt.NDArray[np.bool_]]:
    return [old != new for old, new in zip(before.planes, after.planes, strict=True)]


def around(changed: npt.NDArray[np.bool_]) -> Box:
    """The smallest box that has all of the changed pixels in it."""
    rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def seen(colour: tuple[int, int, int], picture: Picture) -> int:
    """How many pixels of chroma, and the luma around them, have just this colour."""
    y, u, v = (int(value) for value in picture.coding.from_rgb(np.array(colour, dtype=np.uint8)))
    height, width = picture.height // 2, picture.width // 2
    luma = picture.y[: height * 2, : width * 2].reshape(height, 2, width, 2)
    same = (luma == y).all(axis=(1, 3)) & (picture.u[:height, :width] == u) & (picture.v[:height, :width] == v)
    return int(same.sum())


@pytest.mark.parametrize("coding", [LIMITED, FULL])
@pytest.mark.parametrize(("height", "width"), [(540, 960), (720, 1280), (568, 320), (180, 320)])
def test_every_class_has_its_colour_in_the_panel(height: int, width: int, coding: ColourCoding) -> None:
    picture = grey(height, width, coding)
    legend(CITYSCAPES_29, picture).draw(picture)
    assert all(seen(colour, picture) >= 2 for colour in CITYSCAPES_29.colours)


def test_only_the_models_classes_have_a_row() -> None:
    picture = grey(720, 1280)
    legend(CITYSCAPES_8, picture).draw(picture)
    others = set(CITYSCAPES_29.colours) - set(CITYSCAPES_8.colours)
    assert all(seen(colour, picture) for colour in CITYSCAPES_8.colours)
    assert not any(seen(colour, picture) for colour in others)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_panel_is_at_the_top_left_and_all_else_is_as_it_was(height: int, width: int) -> None:
    before, after = grey(height, width), grey(height, width)
    legend(CITYSCAPES_29, after).draw(after)
    luma, *chroma = touched(before, after)
    rows, columns = around(luma)
    assert rows.start <= 20
    assert columns.start <= 20
    assert columns.stop <= 0.75 * width
    for changed in chroma:
        inside = np.zeros_like(changed)
        inside[rows.start // 2 : rows.stop // 2 + 1, columns.start // 2 : columns.stop // 2 + 1] = True
        assert changed.any()
        assert not (changed & ~inside).any()


def test_names_are_white_on_a_dark_box_that_the_picture_shines_through() -> None:
    before, after = grey(720, 1280), grey(720, 1280)
    legend(CITYSCAPES_29, after).draw(after)
    panel = after.y[around(touched(before, after)[0])]
    assert panel.max() == 235
    assert np.median(panel) < 75
    assert len(np.unique(panel[panel < 75])) > 10


def test_a_bright_picture_leaves_the_names_readable() -> None:
    picture = grey(720, 1280)
    picture.y[:] = 235
    legend(CITYSCAPES_29, picture).draw(picture)
    assert np.median(picture.y[20:600, 20:140]) < 120


def columns_of_swatches(space: LabelSpace, height: int, width: int) -> int:
    """The number of columns of swatches: every class here is pure magenta, which is found from left to right."""
    picture = grey(height, width)
    Legend([(name, (255, 0, 255)) for name in space.names], height, width, picture.coding).draw(picture)
    magenta = (picture.v > 200) & (picture.u > 180)
    columns = np.asarray(magenta.any(axis=0), dtype=np.uint8)
    return cv2.connectedComponents(columns[None].repeat(2, axis=0))[0] - 1


def test_where_a_column_does_not_hold_all_classes_there_are_more_columns() -> None:
    assert columns_of_swatches(CITYSCAPES_29, 720, 1280) == 1
    assert columns_of_swatches(CITYSCAPES_29, 540, 960) == 1
    assert columns_of_swatches(CITYSCAPES_29, 180, 320) > 1
    assert columns_of_swatches(CITYSCAPES_8, 180, 320) == 1


def test_where_not_all_classes_fit_the_last_are_left_out() -> None:
    picture = grey(96, 160)
    legend(CITYSCAPES_29, picture).draw(picture)
    shown = [seen(colour, picture) > 0 for colour in CITYSCAPES_29.colours]
    assert 4 <= sum(shown) < 29
    assert shown == sorted(shown, reverse=True)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 2), (16, 16), (20, 1000), (1000, 24), (33, 33)])
def test_a_picture_too_small_for_anything_is_left_as_it_is(height: int, width: int) -> None:
    before, after = grey(height, width), grey(height, width)
    legend(CITYSCAPES_29, after).draw(after)
    SpeedText(height, width, after.coding).draw(after, "a hundred frames")
    assert not any(changed.any() for changed in touched(before, after))


@pytest.mark.parametrize("name", ["Straße", "道路", "", "\n", "n" * 500, "100 % %s {x}"])
def test_any_name_can_be_drawn(name: str) -> None:
    before, after = grey(360, 640), grey(360, 640)
    Legend(((name, (255, 0, 0)), ("road", (0, 255, 0))), 360, 640, after.coding).draw(after)
    _, columns = around(touched(before, after)[0])
    assert seen((255, 0, 0), after)
    assert seen((0, 255, 0), after)
    assert columns.stop < 400


@pytest.mark.parametrize(("name", "drawn"), [("Café", "Cafe"), ("Straße", "Stra?e"), ("n" * 25, "n" * 22 + "..")])
def test_names_are_drawn_in_ascii_whatever_opencvs_font_has(name: str, drawn: str) -> None:
    pictures = [grey(360, 640), grey(360, 640)]
    for picture, text in zip(pictures, (name, drawn), strict=True):
        Legend([(text, (255, 0, 0))], 360, 640, picture.coding).draw(picture)
    assert not any(changed.any() for changed in touched(*pictures))


def test_a_panel_is_drawn_alike_into_each_picture() -> None:
    first, second = grey(360, 640), grey(360, 640)
    panel = legend(CITYSCAPES_29, first)
    panel.draw(first)
    panel.draw(second)
    assert not any(changed.any() for changed in touched(first, second))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_speed_is_at_the_top_right_and_all_else_is_as_it_was(height: int, width: int) -> None:
    before, after = grey(height, width), grey(height, width)
    SpeedText(height, width, after.coding).draw(after, "31.4 FPS")
    for changed in touched(before, after):
        rows, columns = around(changed)
        assert rows.stop < changed.shape[0] / 3
        assert columns.start > changed.shape[1] / 2
        assert columns.stop <= changed.shape[1]
    assert after.y.max() > 220


def test_the_speed_is_drawn_anew_only_when_it_changes() -> None:
    speed = SpeedText(360, 640, LIMITED)
    pictures = [grey(360, 640) for _ in range(4)]
    for picture, text in zip(pictures, ("9.9 FPS", "9.9 FPS", "12 FPS", "9.9 FPS"), strict=True):
        speed.draw(picture, text)
    one, same, other, again = (picture.y.tobytes() for picture in pictures)
    assert one == same == again
    assert one != other
