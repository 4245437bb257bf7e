"""The overlay: a class's colour, where the class is, as strongly as asked."""

import numpy as np
import pytest

from segdata.labels import CITYSCAPES_29
from segrun.overlay import Overlay
from segrun.runner import Frames, Labels

ROAD, SKY, PERSON = (CITYSCAPES_29.names.index(name) for name in ("road", "sky", "person"))


@pytest.fixture
def image() -> Frames:
    return np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)


@pytest.fixture
def labels() -> Labels:
    """Sky above, road below, a person on the right of the road; a quarter of the image's size."""
    labels = np.full((24, 32), ROAD, dtype=np.uint8)
    labels[:12] = SKY
    labels[12:, 24:] = PERSON
    return labels


def test_a_colour_lands_where_its_class_is_in_rgb(image: Frames, labels: Labels) -> None:
    drawn = Overlay(CITYSCAPES_29.colours, alpha=1).draw(image, labels)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    # Away from the edges, which are smooth, the colours are exact.
    assert (drawn[:44] == (70, 130, 180)).all()
    assert (drawn[52:, :92] == (128, 64, 128)).all()
    assert (drawn[52:, 100:] == (220, 20, 60)).all()


def test_alpha_0_is_the_frame(image: Frames, labels: Labels) -> None:
    np.testing.assert_array_equal(Overlay(CITYSCAPES_29.colours, alpha=0).draw(image, labels), image)


@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.9])
def test_alpha_is_the_share_of_the_colour(image: Frames, labels: Labels, alpha: float) -> None:
    drawn = Overlay(CITYSCAPES_29.colours, alpha).draw(image, labels)
    wanted = (1 - alpha) * image[:44].astype(np.float64) + alpha * np.array(CITYSCAPES_29.colours[SKY])
    np.testing.assert_allclose(drawn[:44], wanted, atol=0.51)


def test_frame_and_labels_are_left_as_they_are(image: Frames, labels: Labels) -> None:
    kept = image.copy(), labels.copy()
    Overlay(CITYSCAPES_29.colours, alpha=0.5).draw(image, labels)
    np.testing.assert_array_equal(image, kept[0])
    np.testing.assert_array_equal(labels, kept[1])


def test_other_colours_may_be_named() -> None:
    drawn = Overlay(((1, 2, 3), (250, 0, 0)), alpha=1).draw(
        np.zeros((4, 4, 3), dtype=np.uint8), np.ones((2, 2), dtype=np.uint8)
    )
    assert (drawn == (250, 0, 0)).all()
