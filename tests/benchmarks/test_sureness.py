"""How well a confidence fits: counted in 256 levels, and equal to what a loop over pixels finds."""

import numpy as np
import pytest

from segbench.measure.sureness import BINS, SurenessCounts


def counted(truth: list[int], labels: list[int], confidence: list[int]) -> SurenessCounts:
    counts = SurenessCounts()
    counts.add(*(np.array([values], dtype=np.uint8) for values in (truth, labels, confidence)))
    return counts


def test_the_calibration_error_is_that_of_a_loop_over_pixels() -> None:
    random = np.random.default_rng(0)
    counts, seen = SurenessCounts(), []
    for _ in range(3):
        truth, labels = random.integers(0, 3, (2, 20, 30), dtype=np.uint8)
        truth[random.random(truth.shape) < 0.2] = 255
        confidence = random.integers(0, 256, truth.shape, dtype=np.uint8)
        counts.add(truth, labels, confidence)
        seen += [(level / 255, one == other) for one, other, level in
                 zip(truth.ravel(), labels.ravel(), confidence.ravel(), strict=True) if one != 255]  # fmt: skip
    expected = 0.0
    for number in range(BINS):
        members = [(level, right) for level, right in seen if min(int(level * BINS), BINS - 1) == number]
        if members:
            expected += abs(sum(level - right for level, right in members)) / len(seen)
    found = counts.result()
    assert found is not None
    assert found.ece == pytest.approx(expected, abs=1e-9)


def test_the_surest_pixels_come_first() -> None:
    found = counted([1, 1, 1, 1, 255], [1, 1, 2, 2, 2], [250, 200, 200, 10, 255]).result()
    assert found is not None
    assert found.coverage == (0.25, 0.75, 1.0)
    assert found.risk == pytest.approx((0, 1 / 3, 0.5))
    assert found.risk_at(0.5) == pytest.approx(1 / 6)


def test_a_network_that_is_always_right_and_sure_has_no_error() -> None:
    found = counted([1, 2, 3], [1, 2, 3], [255, 255, 255]).result()
    assert found is not None
    assert (found.ece, found.risk) == (0, (0,))


def test_nothing_counted_is_no_figure() -> None:
    assert SurenessCounts().result() is None
    assert counted([255], [1], [255]).result() is None
