"""What is reported about a split besides its accuracy: classes that never occur, and the share of ignored pixels."""

import pytest

from segdata.dataset.coverage import coverage_remarks

NAMES = ("road", "car", "sky", "pole", "wall", "fence", "bus")


@pytest.mark.parametrize(
    ("pixels", "lines"),
    [
        ((10, 10, 10, 10, 20, 20, 20), []),
        ((10, 10, 10, 10, 20, 20, 19), ["val: 1.0% of the pixels are ignored (255)"]),
        ((0, 10, 10, 20, 20, 20, 20), ["val: no pixel is of road"]),
        ((50, 50, 0, 0, 0, 0, 0), ["val: no pixel is of sky, pole, wall, fence, bus"]),
        (
            (80, 0, 0, 0, 0, 0, 0),
            [
                "val: no pixel is of car, sky, pole, wall, fence and 1 more, all are of road: nothing to tell apart",
                "val: 20.0% of the pixels are ignored (255); if 255 is a class in the masks, give it that id",
            ],
        ),
    ],
)
def test_what_accuracy_hides_is_told(pixels: tuple[int, ...], lines: list[str]) -> None:
    assert coverage_remarks("val", NAMES, pixels, 100 + (sum(pixels) == 110) * 10) == lines


def test_few_ignored_pixels_and_a_split_without_frames_are_not_told() -> None:
    assert coverage_remarks("val", ("a", "b"), (500, 491), 1000) == []
    assert coverage_remarks("val", ("a", "b"), (0, 0), 0) == []
