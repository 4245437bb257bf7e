"""Measures how good an artefact's confidence is: its calibration error and its risk-coverage curve."""

import numpy as np
import numpy.typing as npt

from segbench.results import Sureness
from segdata.labels import IGNORE_INDEX

BINS = 15
"""Bins of the calibration error, of equal width; as many as in Guo et al. 2017."""

_LEVELS = 256


class SurenessCounts:
    """Counts labelled pixels by their confidence, 0 to 255, and by whether their class is right."""

    def __init__(self) -> None:
        self._counts = np.zeros((_LEVELS, 2), dtype=np.int64)  # [confidence, right]

    def add(
        self, truth: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], confidence: npt.NDArray[np.uint8]
    ) -> None:
        """Count the pixels of a frame, three uint8 [H, W]; those without truth are left out."""
        known = truth != IGNORE_INDEX
        pairs = 2 * confidence[known].astype(np.int64) + (truth == labels)[known]
        self._counts += np.bincount(pairs, minlength=2 * _LEVELS).reshape(_LEVELS, 2)

    def result(self) -> Sureness | None:
        """Return the figures; None if no pixel was counted."""
        total = int(self._counts.sum())
        if not total:
            return None
        pixels, right = self._counts.sum(axis=1), self._counts[:, 1]
        levels = np.arange(_LEVELS)
        bins = np.minimum(levels * BINS // (_LEVELS - 1), BINS - 1)
        gap = np.abs(np.bincount(bins, pixels * levels / (_LEVELS - 1), BINS) - np.bincount(bins, right, BINS))
        falling = np.flatnonzero(pixels)[::-1]  # the surest first
        covered, wrong = np.cumsum(pixels[falling]), np.cumsum((pixels - right)[falling])
        return Sureness(
            ece=float(gap.sum() / total),
            coverage=tuple((covered / total).tolist()),
            risk=tuple((wrong / covered).tolist()),
        )
