"""The picture as a whole: what the legend names, and where it is."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from helpers.segmented_frames import segmented
from segdata.labels import CITYSCAPES_8, CITYSCAPES_29
from segdata.spec import ModelSpec
from segdata.video.picture import Picture
from segrun.drawing.drawing import Drawing
from segrun.drawing.legend import Ranking
from segrun.drawing.look import Look
from segrun.drawing.strip import Strip
from segrun.frame import Segmented

SPEC = ModelSpec(64, 64, "cityscapes-29", CITYSCAPES_29.names, CITYSCAPES_29.colours, "unet", {})
ROAD, SKY, PERSON, CAR = (CITYSCAPES_29.names.index(name) for name in ("road", "sky", "person", "car"))


def frame_of(seconds: float = 0, **shares: int) -> Segmented:
    """A grey frame of 360 x 640 with so many of 100 rows of each class, unlabelled above."""
    rows = [CITYSCAPES_29.names.index(name) for name, count in shares.items() for _ in range(count)]
    labels = np.repeat(np.array([0] * (100 - len(rows)) + rows, np.uint8)[:, None], 100, axis=1)
    made = segmented(0)
    picture = Picture.from_rgb(np.full((360, 640, 3), 128, np.uint8))
    frame = replace(made.frame, picture=picture, pts=round(seconds * 1000), time_base=Fraction(1, 1000))
    return Segmented(frame, labels, CITYSCAPES_29.names, 0.0)


def is_there(colour: tuple[int, int, int], image: np.ndarray) -> bool:
    return bool((np.abs(image.astype(int) - colour).max(axis=2) <= 14).sum() >= 4)


def test_the_legend_names_only_what_is_there_and_the_largest_first() -> None:
    ranking = Ranking(left_out=["unlabelled"])
    assert ranking(frame_of(car=10, road=40, person=5)) == ("road", "car", "person")
    drawn = Drawing(SPEC, Look(legend=True, alpha=0)).draw(frame_of(car=10, road=40)).to_rgb()
    panel = drawn[:180, :200]
    assert is_there(CITYSCAPES_29.colours[ROAD], panel)
    assert is_there(CITYSCAPES_29.colours[CAR], panel)
    assert not is_there(CITYSCAPES_29.colours[SKY], drawn)
    assert not is_there(CITYSCAPES_29.colours[PERSON], drawn)


def test_the_legend_is_looked_at_again_after_a_second_and_when_the_video_begins_again() -> None:
    ranking = Ranking()
    assert ranking(frame_of(5.0, road=100)) == ("road",)
    assert ranking(frame_of(5.9, sky=100)) == ("road",)
    assert ranking(frame_of(6.0, sky=100)) == ("sky",)
    assert ranking(frame_of(0.0, car=100)) == ("car",)


def test_each_image_of_a_folder_has_a_legend_of_its_own() -> None:
    ranking = Ranking()
    for name in ("road", "sky"):
        shown = frame_of(**{name: 100})
        assert ranking(replace(shown, frame=replace(shown.frame, still=True))) == (name,)


def test_a_speck_has_no_name() -> None:
    frame = frame_of(road=100)
    labels = frame.labels.copy()
    labels[0, :4] = PERSON
    assert Ranking()(replace(frame, labels=labels)) == ("road",)


def test_side_by_side_the_legend_is_under_the_pictures_and_covers_nothing() -> None:
    frame = frame_of(road=40, car=10)
    bare = Drawing(SPEC, Look(view="side-by-side")).draw(frame)
    with_legend = Drawing(SPEC, Look(view="side-by-side", legend=True)).draw(frame)
    assert with_legend.width == bare.width == 1280
    assert 360 < with_legend.height < 420
    for above, alone in zip(with_legend.planes, bare.planes, strict=True):
        np.testing.assert_array_equal(above[: len(alone)], alone)
    strip = with_legend.to_rgb()[360:]
    assert is_there(CITYSCAPES_29.colours[ROAD], strip)
    assert is_there(CITYSCAPES_29.colours[CAR], strip)
    assert not is_there(CITYSCAPES_29.colours[SKY], strip)


def test_the_strip_has_one_height_whatever_is_there() -> None:
    drawing = Drawing(SPEC, Look(view="side-by-side", legend=True))
    everything = dict.fromkeys(CITYSCAPES_29.names[1:], 3)
    heights = {drawing.draw(frame_of(second, **shares)).height for second, shares in enumerate([{}, everything])}
    assert len(heights) == 1


@pytest.mark.parametrize(("height", "width"), [(2, 4), (16, 16), (96, 320), (360, 1280), (1024, 4096), (64, 40)])
def test_a_strip_of_any_size_holds_what_fits(height: int, width: int) -> None:
    picture = Picture.from_rgb(np.full((height, width, 3), 200, np.uint8))
    strip = Strip(CITYSCAPES_29.names, height, width, picture.coding)
    entries = tuple(zip(CITYSCAPES_29.names, CITYSCAPES_29.colours, strict=True))
    whole = strip.under(picture, entries)
    assert whole.width == width
    assert whole.height > height
    shown = sum(is_there(colour, whole.to_rgb()[height:]) for colour in CITYSCAPES_29.colours[1:])
    assert (shown >= 20) == (width >= 1280)


def test_hidden_classes_are_left_transparent_and_unnamed() -> None:
    frame = frame_of(road=50, car=50)
    drawn = Drawing(SPEC, Look(alpha=1, legend=True, hidden=frozenset({"car"}))).draw(frame).to_rgb()
    np.testing.assert_allclose(drawn[-100:].astype(int), 128, atol=2)
    assert not is_there(CITYSCAPES_29.colours[CAR], drawn)
    assert is_there(CITYSCAPES_29.colours[ROAD], drawn)


def test_the_legend_of_a_confidence_is_its_scale() -> None:
    frame = replace(frame_of(road=100), confidence=np.full((100, 100), 128, np.uint8))
    drawn = Drawing(SPEC, Look(view="confidence", legend=True)).draw(frame).to_rgb()
    assert is_there((253, 231, 37), drawn)  # viridis' yellow: sure
    assert not is_there(CITYSCAPES_8.colours[1], drawn)
