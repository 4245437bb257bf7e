"""Flicker: a class that changes where nothing moved, and nothing else."""

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segbench.quality.flicker import STILL_GREY, Flicker, still_pixels
from segdata.synth import scene

Image = npt.NDArray[np.uint8]

SIZE = (64, 96)


def textured(seed: int = 0, size: tuple[int, int] = SIZE) -> Image:
    """A street, RGB."""
    return scene(seed, *size).image


def grey(image: Image) -> Image:
    return np.asarray(image.mean(axis=2), dtype=np.uint8)


def noisy(image: Image, sigma: float, seed: int) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return (image + noise).round().clip(0, 255).astype(np.uint8)


def constant(value: int) -> Image:
    return np.full(SIZE, value, dtype=np.uint8)


def flicker_of(images: list[Image], labels: list[Image]) -> Flicker:
    found = Flicker()
    for image, of_image in zip(images, labels, strict=True):
        found.add(image, (of_image,))
    return found


def test_all_of_an_equal_image_is_still() -> None:
    image = grey(textured())
    assert still_pixels(image, image).all()


def test_planted_flicker_is_found_exactly() -> None:
    """Ten pixels change once, seven of them back: 17 changes in 4 pairs."""
    labels = [constant(3) for _ in range(5)]
    for after in labels[1:]:
        after[0, :10] = 5
    for after in labels[3:]:
        after[0, :7] = 3
    found = flicker_of([textured()] * 5, labels)
    assert found.still_share == 1
    assert found.shares == (17 / (4 * 64 * 96),)


def test_labels_that_do_not_change_do_not_flicker() -> None:
    still = [noisy(textured(), 4, seed) for seed in range(4)]
    assert flicker_of(still, [constant(3)] * 4).shares == (0,)


def test_each_network_has_its_own_figure() -> None:
    found = Flicker()
    for value in (1, 2):
        found.add(textured(), (constant(value), constant(0)))
    assert found.shares == (1, 0)


@pytest.mark.parametrize("frames", [0, 1])
def test_without_a_pair_of_frames_nothing_is_known(frames: int) -> None:
    found = flicker_of([textured()] * frames, [constant(0)] * frames)
    assert found.still_share == 0
    assert found.shares == (None,) * frames


def test_soft_motion_is_seen() -> None:
    """Soft waves go right by two pixels: no grey value changes much, and only the flow tells."""
    across, down = np.meshgrid(np.arange(96), np.arange(64))
    waves = [
        (120 + 6 * np.sin((across - 2 * step) / 4) + 6 * np.sin(down / 4)).round().astype(np.uint8) for step in range(2)
    ]
    assert np.mean(cv2.absdiff(waves[0], waves[1]) <= STILL_GREY) > 0.9
    assert still_pixels(waves[0], waves[1]).mean() < 0.02


def test_where_nothing_is_still_nothing_is_known() -> None:
    black = np.zeros((*SIZE, 3), dtype=np.uint8)
    found = flicker_of([black, ~black], [constant(0), constant(1)])
    assert (found.still_share, found.shares) == (0, (None,))


def test_the_share_is_of_what_stood_still() -> None:
    """The picture turns white and stays so: one of two pairs of frames is still, and there ten pixels change class."""
    black = np.zeros((*SIZE, 3), dtype=np.uint8)
    last = constant(1)
    last[7, :10] = 2
    found = flicker_of([black, ~black, ~black], [constant(0), constant(1), last])
    assert (found.still_share, found.shares) == (0.5, (10 / (64 * 96),))


def test_what_moves_is_not_counted() -> None:
    """A textured box moves right in front of a still street; the labels follow it, as they should."""
    street, box = textured(1), np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    images, labels = [], []
    for step in range(6):
        image, of_image = street.copy(), constant(0)
        image[20:36, 10 + 4 * step : 26 + 4 * step] = box
        of_image[20:36, 10 + 4 * step : 26 + 4 * step] = 9
        images.append(image)
        labels.append(of_image)
    changed = sum(np.count_nonzero(before != after) for before, after in pairwise(labels))
    found = flicker_of(images, labels)
    assert 0.5 < found.still_share < 0.95
    (share,) = found.shares
    assert share is not None
    counted = share * found.still_share * 5 * 64 * 96
    assert changed == 5 * 2 * 4 * 16
    assert counted < 0.05 * changed


def test_a_light_that_goes_on_is_no_flicker() -> None:
    """Nothing moved, but the picture changed: the flow alone would call it still."""
    dark = np.full((*SIZE, 3), 60, dtype=np.uint8)
    lit = dark.copy()
    lit[:, :48] = 90
    lit_labels = constant(0)
    lit_labels[:, :48] = 1
    found = flicker_of([dark, lit], [constant(0), lit_labels])
    assert found.shares == (0,)


def test_a_still_camera_with_sensor_noise_is_still_for_most_of_it() -> None:
    """Noise of 2 of 255, which is what remains of a sensor's in a small frame; a flickering network is detected."""
    images = [noisy(textured(2), 2, seed) for seed in range(4)]
    nervous = [(image[..., 1] & 1).astype(np.uint8) for image in images]
    found = flicker_of(images, nervous)
    assert found.still_share > 0.7
    (share,) = found.shares
    assert share == pytest.approx(0.5, abs=0.05)


def test_a_plain_road_that_is_driven_along_is_not_still() -> None:
    """A street with large plain areas, shifted by one pixel: Farneback's flow alone calls a third of it still."""
    wide = grey(textured(3, (64, 97)))
    assert still_pixels(wide[:, :-1].copy(), wide[:, 1:].copy()).mean() < 0.05
