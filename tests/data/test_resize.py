"""Shrinking: labels by majority vote, frames by area."""

import math
from collections import defaultdict
from fractions import Fraction
from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from segdata.images.resize import resize_frame, resize_labels
from segdata.synth import scene

ROAD, POLE, SKY = 3, 13, 18


def vote_by_counting(labels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    height, width = labels.shape[0] // factor, labels.shape[1] // factor
    blocks = labels.reshape(height, factor, width, factor).transpose(0, 2, 1, 3).reshape(height, width, -1)
    # argmax takes the first of equals, which is the lower id
    return np.array([[np.bincount(block).argmax() for block in row] for row in blocks], dtype=np.uint8)


def test_the_vote_keeps_a_pole_that_nearest_neighbour_loses() -> None:
    labels = np.full((16, 16), SKY, dtype=np.uint8)
    labels[:, 5:8] = POLE  # three of the four columns that make the second new column, but not its first
    nearest = cv2.resize(labels, (4, 4), interpolation=cv2.INTER_NEAREST)
    assert POLE not in nearest
    assert resize_labels(labels, 4, 4).tolist() == [[SKY, POLE, SKY, SKY]] * 4


def test_the_most_common_class_wins_without_half_of_the_pixels() -> None:
    labels = np.array([SKY] * 5 + [POLE] * 7 + [ROAD] * 4, dtype=np.uint8).reshape(4, 4)
    assert resize_labels(labels, 1, 1).item() == POLE


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_the_vote_is_the_count_in_each_block(factor: int, seed: int) -> None:
    street = scene(seed, 64, 128).labels
    noise = np.random.default_rng(seed).choice(np.array([0, 7, 28, 255], dtype=np.uint8), (64, 128))
    for labels in (street, noise):
        assert np.array_equal(resize_labels(labels, 64 // factor, 128 // factor), vote_by_counting(labels, factor))


def test_a_tie_goes_to_the_lower_id() -> None:
    assert resize_labels(np.array([[9, 2], [2, 9]], dtype=np.uint8), 1, 1).item() == 2


def test_ignore_votes_like_a_class() -> None:
    labels = np.array([[255, 255, 255, 255], [255, ROAD, ROAD, ROAD]], dtype=np.uint8)
    assert resize_labels(labels, 1, 2).tolist() == [[255, ROAD]]


@settings(max_examples=60, deadline=None)
@given(
    labels=arrays.arrays(np.uint8, st.tuples(st.integers(4, 40), st.integers(4, 40))),
    height=st.integers(1, 48),
    width=st.integers(1, 48),
)
def test_no_id_is_invented(labels: NDArray[np.uint8], height: int, width: int) -> None:
    small = resize_labels(labels, height, width)
    assert small.shape == (height, width)
    assert small.dtype == np.uint8
    assert set(np.unique(small)) <= set(np.unique(labels))


def covered(old: int, new: int, pixel: int) -> dict[int, Fraction]:
    """Return the old pixels that a new one covers, and how much of each."""
    begin, end = Fraction(pixel * old, new), Fraction((pixel + 1) * old, new)
    return {
        index: min(Fraction(index + 1), end) - max(Fraction(index), begin)
        for index in range(math.floor(begin), math.ceil(end))
    }


def vote_in_fractions(labels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    winners = np.zeros((height, width), np.uint8)
    for row, column in np.ndindex(winners.shape):
        votes: defaultdict[int, Fraction] = defaultdict(Fraction)
        for (y, share_down), (x, share_across) in product(
            covered(labels.shape[0], height, row).items(), covered(labels.shape[1], width, column).items()
        ):
            votes[int(labels[y, x])] += share_down * share_across
        winners[row, column] = min(votes, key=lambda class_id: (-votes[class_id], class_id))
    return winners


@settings(max_examples=60, deadline=None)
@given(
    labels=arrays.arrays(
        np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=st.sampled_from([0, 3, 7, 255])
    ),
    height=st.integers(1, 24),
    width=st.integers(1, 24),
)
def test_the_vote_is_exact_at_any_size(labels: NDArray[np.uint8], height: int, width: int) -> None:
    assert np.array_equal(resize_labels(labels, height, width), vote_in_fractions(labels, height, width))


def test_frames_are_averaged_over_area() -> None:
    frame = scene(4, 64, 128).image
    mean = frame.reshape(16, 4, 32, 4, 3).mean(axis=(1, 3))
    small = resize_frame(frame, 16, 32)
    assert small.dtype == np.uint8
    assert np.abs(small - mean).max() <= 0.51


def test_a_fine_pattern_becomes_grey_and_not_stripes() -> None:
    stripes = np.zeros((32, 32, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    assert set(np.unique(resize_frame(stripes, 8, 8))) <= {127, 128}


def test_the_same_size_changes_nothing() -> None:
    made = scene(5, 64, 128)
    assert np.array_equal(resize_frame(made.image, 64, 128), made.image)
    assert np.array_equal(resize_labels(made.labels, 64, 128), made.labels)
