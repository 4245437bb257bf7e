"""Judges from a sample whether the label files of a layout hold labels, and in which encoding."""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from segdata.errors import InputError
from segdata.labels import IGNORE_INDEX, LabelSpace
from segdata.prepare.decoding import decode_labels
from segdata.prepare.label_image import LabelImage
from segdata.prepare.pair import Found, Pair
from segdata.prepare.reading import read_labels
from segdata.prepare.side_by_side import LAYOUT as SIDE_BY_SIDE

SAMPLE = 16
"""How many label images, spread evenly over a source, decide what it holds."""

PLAUSIBLE_SHARE = 0.5
"""The share of the readable ones that must hold labels; what the others hold is told where all are read."""

_MORE = 1.01  # by how much more pixels colours must tell a class of than ids, to be preferred


@dataclass
class _Tally:
    """What one way to read the sample gave: files that hold labels, pixels of classes, and why the others do not."""

    plausible: int = 0
    class_pixels: int = 0
    classes: set[int] = field(default_factory=set)
    errors: list[InputError] = field(default_factory=list)

    def add(self, image: LabelImage, pair: Pair, space: LabelSpace) -> npt.NDArray[np.uint8] | None:
        """Count a label image; return its classes, uint8 [H, W], or None if it holds no labels."""
        try:
            labels, _ = decode_labels(image, pair.encoding, space, pair.labels)
        except InputError as error:
            if image.ids is not None or pair.encoding in ("colours", "right half"):  # else it was not meant so
                self.errors.append(error)
            return None
        self.plausible += 1
        counts = np.bincount(labels.ravel(), minlength=256)[:IGNORE_INDEX]
        self.class_pixels += int(counts.sum())
        self.classes |= set(np.flatnonzero(counts).tolist())
        return labels


def judged(candidate: Found, space: LabelSpace) -> Found:
    """Return the candidate, its label files in the encoding that explains most of them.

    Raises InputError, saying what was seen, if fewer than half of the sample hold labels of `space`; if ids and colours
    of a palette tell different classes; or if what may be side by side is no image and its labels. Files that cannot be
    read count for nothing, unless all are so.
    """
    readings = [candidate.read_as(encoding) for encoding in candidate.encodings] or [candidate]
    tallies = [_Tally() for _ in readings]
    unreadable: list[InputError] = []
    sample = sampled(candidate.pairs)
    for pair in sample:
        try:
            image = read_labels(pair)
        except InputError as error:
            unreadable.append(error)
            continue
        ways = [replace(pair, encoding=encoding) for encoding in candidate.encodings] or [pair]
        decoded = [tally.add(image, way, space) for tally, way in zip(tallies, ways, strict=True)]
        if not image.kind.startswith("grey"):  # where ids stand unless they tell nothing
            _check_agreement(decoded, image, pair, space)
    best = 0
    for index, tally in enumerate(tallies):
        if (tally.plausible, tally.class_pixels) > (tallies[best].plausible, _MORE * tallies[best].class_pixels):
            best = index
    readable = len(sample) - len(unreadable)
    if tallies[best].plausible < PLAUSIBLE_SHARE * readable:
        seen = next(tally.errors[0] for tally in tallies if tally.errors)
        if candidate.layout == SIDE_BY_SIDE:  # which no name says that it is
            raise InputError(f"no labelled images found, nor folders of masks; taken as side by side, {seen}")
        raise seen
    if candidate.layout == SIDE_BY_SIDE and not readable:
        raise unreadable[0]
    if candidate.layout == SIDE_BY_SIDE and len(tallies[best].classes) < 2:
        raise InputError(f"{sample[0].image}: right halves show one class alone; need side-by-side images and labels")
    return readings[best]


def sampled(pairs: list[Pair]) -> list[Pair]:
    """Return `SAMPLE` of the pairs, or all if there are fewer, spread evenly."""
    positions = np.linspace(0, len(pairs) - 1, min(SAMPLE, len(pairs))).round().astype(int)
    return [pairs[position] for position in positions]


def _check_agreement(
    decoded: list[npt.NDArray[np.uint8] | None], image: LabelImage, pair: Pair, space: LabelSpace
) -> None:
    """Raise InputError if a pixel is of one class by its id and of another by its colour."""
    if len(decoded) < 2 or decoded[0] is None or decoded[1] is None:
        return
    by_id, by_colour = decoded[0], decoded[1]
    differs = (by_id != by_colour) & (by_id != IGNORE_INDEX) & (by_colour != IGNORE_INDEX)
    if differs.any():
        first = int(np.flatnonzero(differs)[0])
        names = [space.names[labels.flat[first]] for labels in (by_id, by_colour)]
        raise InputError(
            f"{pair.labels}: {image.kind} in which a pixel is {names[0]} by its id and {names[1]} by its colour; "
            "save it in grey for its ids, or in RGB for its colours"
        )
