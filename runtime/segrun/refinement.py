"""The steps from a network's labels to those of the outputs: too unsure, merged, voted on by neighbouring frames."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from segdata.labels import LabelMap
from segdata.spec import ModelSpec
from segrun.classes import merged, vivid
from segrun.frame import Segmented
from segrun.options import RunOptions


@dataclass(frozen=True, eq=False)
class Refinement:
    """Changes labels as the options of a run say. `spec` is the model's, with the classes and colours of the result.

    Labels of a probability below `min_confidence` become 255, the others are looked up in `table`, uint8 [256], and
    then `smooth` frames vote on each.
    """

    spec: ModelSpec
    table: npt.NDArray[np.uint8] | None = None
    min_confidence: float = 0.0
    smooth: int = 1

    @classmethod
    def asked(cls, options: RunOptions, spec: ModelSpec) -> "Refinement":
        """Return the refinement that `options` ask for of a model with `spec`; raise InputError if it is impossible."""
        table = None
        if options.classes is not None:
            spec, table = merged(spec, options.classes)
        if options.palette == "vivid":
            spec = replace(spec, colours=vivid(spec.class_names))
        return cls(spec, table, options.min_confidence, options.smooth)

    def __call__(self, frames: Iterator[Segmented]) -> Iterator[Segmented]:
        """Yield the refined frames; with `smooth` above 1, with a delay."""
        labelled = map(self._labelled, frames)
        return voted(labelled, self.smooth) if self.smooth > 1 else labelled

    def _labelled(self, segmented: Segmented) -> Segmented:
        if self.min_confidence:
            segmented = segmented.unsure_below(self.min_confidence)
        if self.table is None:
            return segmented
        labels = np.asarray(cv2.LUT(segmented.labels, self.table), np.uint8)
        return replace(segmented, labels=labels, classes=self.spec.class_names)


def voted(frames: Iterator[Segmented], count: int) -> Iterator[Segmented]:
    """Yield `frames`, each pixel with the class that most of `count` frames have there.

    `count` is odd: a frame's neighbours before and after it vote, as many on both sides, so that labels do not lag
    behind motion. A frame comes out when `count` // 2 more have come; at both ends fewer vote. On equal votes, the
    frame's own class wins.
    """
    half = count // 2
    window: deque[Segmented] = deque(maxlen=count)
    waiting = 0  # how many at the end of `window` have not come out yet
    for frame in frames:
        window.append(frame)
        waiting += 1
        if waiting > half:
            yield _voted(window, len(window) - waiting)
            waiting -= 1
    while waiting:
        if len(window) > waiting + half:
            window.popleft()
        yield _voted(window, len(window) - waiting)
        waiting -= 1


def _voted(window: Sequence[Segmented], position: int) -> Segmented:
    ballots = [frame.labels for frame in window]
    return replace(window[position], labels=majority(ballots, position))


def majority(ballots: Sequence[LabelMap], own: int) -> LabelMap:
    """Return the commonest class of each pixel in `ballots`, uint8 [h, w] each; where there are several, that of `own`.

    If `own` has none of these, it is the first.
    """
    winner = ballots[own].copy()
    disputed = np.zeros(winner.shape, bool)
    for ballot in ballots:
        disputed |= ballot != winner
    where = np.flatnonzero(disputed)  # about a tenth of the picture: elsewhere all agree
    cast = np.stack([ballot.ravel()[where] for ballot in ballots])
    votes = 2 * (cast[:, None] == cast).sum(axis=0, dtype=np.uint8)
    votes[own] += 1
    winner.ravel()[where] = np.take_along_axis(cast, votes.argmax(axis=0)[None], axis=0)[0]
    return winner
