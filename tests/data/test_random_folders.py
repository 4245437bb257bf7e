"""Random folders of photos, masks and both: `check` and `prepare` accept those with labels, and read them correctly."""

from pathlib import Path

import numpy as np
import pytest

from helpers.random_folders import make, outcome


@pytest.mark.parametrize("seed", range(48))
def test_nothing_is_taken_that_is_not_labels(tmp_path: Path, seed: int) -> None:
    made = make(tmp_path / "source", np.random.default_rng(seed))
    taken, wrong = outcome(made)
    assert (taken, wrong) == ("accepted" if made.sound else "refused", []), made.kind
