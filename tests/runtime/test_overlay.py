"""The overlay: a class's colour, where the class is, as strongly as asked, in the picture's own coding."""

import itertools
from typing import get_args

import numpy as np
import pytest

from segdata.labels import CITYSCAPES_29
from segdata.video.picture import Picture
from segdata.video.yuv import ColourCoding, Matrix
from segrun.drawing.overlay import Overlay, smooth_contours
from segrun.options import View
from segrun.runners.base import Labels

COLOURS = CITYSCAPES_29.colours
ROAD, SKY, PERSON = (CITYSCAPES_29.names.index(name) for name in ("road", "sky", "person"))
CODINGS = [ColourCoding(matrix, full) for matrix, full in itertools.product(get_args(Matrix), (False, True))]


def noisy(coding: ColourCoding = CODINGS[0], height: int = 96, width: int = 128) -> Picture:
    picture = Picture.blank(height, width, coding)
    generator = np.random.default_rng(0)
    for plane in picture.planes:
        plane[:] = generator.integers(16, 236, plane.shape, dtype=np.uint8)
    return picture


@pytest.fixture
def labels() -> Labels:
    """Sky above, road below, a person on the right of the road; a quarter of the picture's size."""
    labels = np.full((24, 32), ROAD, dtype=np.uint8)
    labels[:12] = SKY
    labels[12:, 24:] = PERSON
    return labels


@pytest.mark.parametrize("coding", CODINGS, ids=str)
@pytest.mark.parametrize("view", ["mask", "overlay"])
def test_a_colour_lands_where_its_class_is(view: View, coding: ColourCoding, labels: Labels) -> None:
    drawn = Overlay(COLOURS, 1, view).draw(noisy(coding), labels)
    assert drawn.coding == coding
    image = drawn.to_rgb().astype(int)
    assert image.shape == (96, 128, 3)
    # Away from the edges, which are smooth, the colours are exact but for the rounding of luma and chroma.
    np.testing.assert_allclose(image[:44], np.broadcast_to(COLOURS[SKY], (44, 128, 3)), atol=3)
    np.testing.assert_allclose(image[52:, :92], np.broadcast_to(COLOURS[ROAD], (44, 92, 3)), atol=3)
    np.testing.assert_allclose(image[52:, 100:], np.broadcast_to(COLOURS[PERSON], (44, 28, 3)), atol=3)


def test_alpha_0_is_the_frame(labels: Labels) -> None:
    picture = noisy()
    for found, source in zip(Overlay(COLOURS, 0).draw(picture, labels).planes, picture.planes, strict=True):
        np.testing.assert_array_equal(found, source)


@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.9])
def test_alpha_is_the_share_of_the_colour(labels: Labels, alpha: float) -> None:
    picture = noisy()
    drawn = Overlay(COLOURS, alpha).draw(picture, labels)
    sky = picture.coding.from_rgb(np.array(COLOURS[SKY], dtype=np.uint8)).astype(float)
    for found, source, colour, rows in zip(drawn.planes, picture.planes, sky, (44, 22, 22), strict=True):
        wanted = (1 - alpha) * source[:rows] + alpha * colour
        np.testing.assert_allclose(found[:rows], wanted, atol=0.51)


def test_edges_are_smooth_at_the_pictures_size_not_blocks(labels: Labels) -> None:
    drawn = Overlay(COLOURS, 1, "mask").draw(noisy(height=192, width=256), labels)
    across = drawn.y[88:104, 20].astype(int)
    assert len(set(across)) > 3
    assert (np.diff(across) <= 0).all() or (np.diff(across) >= 0).all()


def test_side_by_side_has_the_frame_on_the_left_and_the_overlay_on_the_right(labels: Labels) -> None:
    picture = noisy()
    drawn = Overlay(COLOURS, 0.5, "side-by-side").draw(picture, labels)
    assert (drawn.height, drawn.width) == (96, 256)
    over = Overlay(COLOURS, 0.5).draw(picture, labels)
    for found, left, right in zip(drawn.planes, picture.planes, over.planes, strict=True):
        half = left.shape[1]
        np.testing.assert_array_equal(found[:, :half], left)
        np.testing.assert_array_equal(found[:, half:], right)


@pytest.mark.parametrize("view", get_args(View))
def test_odd_sizes_are_drawn(view: View, labels: Labels) -> None:
    picture = noisy(height=95, width=127)
    drawn = Overlay(COLOURS, 1, view).draw(picture, labels)
    wanted = (96, 256) if view == "side-by-side" else (95, 127)
    assert (drawn.height, drawn.width) == wanted
    np.testing.assert_allclose(
        drawn.to_rgb()[-8:, -8:].astype(int), np.broadcast_to(COLOURS[PERSON], (8, 8, 3)), atol=3
    )


@pytest.mark.parametrize("view", get_args(View))
def test_frame_and_labels_are_left_as_they_are(view: View, labels: Labels) -> None:
    picture = noisy()
    kept = [plane.copy() for plane in picture.planes], labels.copy()
    Overlay(COLOURS, 0.5, view).draw(picture, labels)
    for plane, before in zip(picture.planes, kept[0], strict=True):
        np.testing.assert_array_equal(plane, before)
    np.testing.assert_array_equal(labels, kept[1])


def test_other_colours_may_be_named() -> None:
    drawn = Overlay(((1, 2, 3), (250, 0, 0)), 1).draw(noisy(), np.ones((2, 2), dtype=np.uint8))
    np.testing.assert_allclose(drawn.to_rgb().astype(int), np.broadcast_to((250, 0, 0), (96, 128, 3)), atol=3)


@pytest.mark.parametrize("clear", [SKY, 200])
def test_the_picture_shows_through_what_is_no_class(labels: Labels, clear: int) -> None:
    picture = noisy()
    shown = np.where(labels == SKY, np.uint8(clear), labels)
    drawn = Overlay(COLOURS, 0.5, clear=[SKY]).draw(picture, shown)
    for found, source, rows in zip(drawn.planes, picture.planes, (44, 22, 22), strict=True):
        np.testing.assert_array_equal(found[:rows], source[:rows])
        assert (found[-rows:] != source[-rows:]).any()


def test_a_mask_shows_no_picture_at_all(labels: Labels) -> None:
    drawn = Overlay(COLOURS, 0.5, "mask", clear=[SKY]).draw(noisy(), labels)
    np.testing.assert_allclose(drawn.to_rgb()[:44].astype(int), np.broadcast_to(COLOURS[SKY], (44, 128, 3)), atol=3)


def test_contours_cut_off_the_stairs_of_a_slope() -> None:
    slope = np.where(np.indices((16, 32))[0] > np.arange(32) // 4, np.uint8(ROAD), np.uint8(SKY))
    heights = (smooth_contours(slope, 256, 256) == ROAD).sum(axis=0)
    steps = np.abs(np.diff(heights.astype(int)))
    assert steps.max() == 1  # and not 2, which is a pixel of the labels
    assert steps.sum() == 14


def test_contours_keep_straight_edges_and_thin_lines(labels: Labels) -> None:
    labels[:, 5] = PERSON
    fine = smooth_contours(labels, 96, 128)
    plain = np.kron(labels, np.ones((2, 2), np.uint8))
    np.testing.assert_array_equal(fine[:20], plain[:20])
    np.testing.assert_array_equal(fine[28:, :40], plain[28:, :40])


def test_contours_make_no_class_that_is_not_there() -> None:
    labels = np.random.default_rng(0).integers(0, 29, (24, 32)).astype(np.uint8)
    fine = smooth_contours(labels, 96, 128)
    around = np.pad(np.kron(labels, np.ones((2, 2), np.uint8)), 1, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3)).reshape(*fine.shape, 9)
    assert (windows == fine[..., None]).any(axis=2).all()


def test_labels_of_about_the_pictures_size_are_drawn_as_they_are(labels: Labels) -> None:
    np.testing.assert_array_equal(smooth_contours(labels, 47, 64), labels)


def test_contours_are_finer_still_where_the_picture_is() -> None:
    slope = np.where(np.indices((32, 64))[0] > np.arange(64) // 4, np.uint8(ROAD), np.uint8(SKY))
    drawn = Overlay(COLOURS, 1, "mask").draw(noisy(height=256, width=512), slope)
    heights = (drawn.y > 105).sum(axis=0)[8:-8]  # between the luma of road and that of sky
    assert np.abs(np.diff(heights.astype(int))).max() <= 2  # a pixel of the labels is 8


def test_outlines_are_bright_where_classes_meet_and_nowhere_else(labels: Labels) -> None:
    plain, lined = (Overlay(COLOURS, 1, "mask", outlines=given).draw(noisy(), labels) for given in (False, True))
    changed = plain.y != lined.y
    assert lined.y[47:50, :90].max(axis=0).min() == 235  # all along the edge of sky and road
    assert not changed[:44].any()
    assert not changed[52:, :92].any()
    np.testing.assert_array_equal(plain.u, lined.u)
