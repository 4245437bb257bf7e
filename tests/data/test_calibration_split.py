"""Which frames calibrate: a fifth, the same each time, with every class that occurs."""

import numpy as np
import pytest
from numpy.typing import NDArray

from segdata.prepare.calibration_split import choose_calibration, hash_of_frames


def random_pixels(seed: int, frames: int, classes: int) -> NDArray[np.int64]:
    """Return pixels per frame and class where class 0 is in nearly every frame and the last in hardly any."""
    generator = np.random.default_rng(seed)
    occurs = generator.random((frames, classes)) < np.linspace(0.95, 0.02, classes)
    return np.where(occurs, generator.integers(1, 1000, (frames, classes)), 0).astype(np.int64)


@pytest.mark.parametrize(("frames", "expected"), [(500, 100), (50, 10), (14, 2), (5, 1), (4, 0), (0, 0)])
def test_a_fifth_of_the_frames_calibrates(frames: int, expected: int) -> None:
    chosen = choose_calibration(random_pixels(0, frames, 29), 0)
    assert chosen.dtype == np.int64
    assert len(chosen) == expected
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert all(0 <= index < frames for index in chosen)


def test_the_choice_is_the_same_each_time_and_another_for_another_seed() -> None:
    class_pixels = random_pixels(1, 100, 29)
    before = class_pixels.copy()
    choices = [choose_calibration(class_pixels, seed).tolist() for seed in (7, 7, 8)]
    assert choices[0] == choices[1] != choices[2]
    assert np.array_equal(class_pixels, before)


@pytest.mark.parametrize("seed", range(10))
def test_every_class_that_occurs_is_seen(seed: int) -> None:
    """There are as many frames to choose as classes, so each can be had."""
    class_pixels = random_pixels(seed, 145, 29)
    chosen = choose_calibration(class_pixels, seed)
    assert len(chosen) == 29
    assert np.array_equal(class_pixels[chosen].any(axis=0), class_pixels.any(axis=0))


def test_a_class_of_a_single_frame_is_seen() -> None:
    class_pixels = np.zeros((100, 3), dtype=np.int64)
    class_pixels[:, 0] = 500
    class_pixels[83, 2] = 1  # and class 1 nowhere
    for seed in range(5):
        assert 83 in choose_calibration(class_pixels, seed)


def test_frames_without_any_class_are_chosen_too() -> None:
    assert len(choose_calibration(np.zeros((10, 29), dtype=np.int64), 0)) == 2


def test_the_hash_does_not_depend_on_the_order_of_names() -> None:
    assert hash_of_frames(["a", "b", "c"]) == hash_of_frames(["c", "a", "b"])
    assert len({hash_of_frames(names) for names in ([], ["a"], ["a", "b"], ["ab"], ["a", "b", "c"])}) == 5
    # What artefacts in the world hold must go on being the same.
    assert hash_of_frames(["b", "a"]) == "7e18f737311b2dc3b2f269dd78396b0351f14fb66efa879f768cb23181883c78"
