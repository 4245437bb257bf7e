"""Judges from a sample whether the label files of a layout hold labels, in which encoding, and in which ids."""

from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from segdata.errors import InputError
from segdata.labels import CITYSCAPES, CITYSCAPES_19, IGNORE_INDEX, LABEL_SPACES, LabelMap, LabelSpace
from segdata.options import Ids
from segdata.prepare.labels.decoding import decode_labels
from segdata.prepare.labels.label_image import LabelImage
from segdata.prepare.labels.reading import read_labels
from segdata.prepare.layouts.one_folder import SIDE_BY_SIDE
from segdata.prepare.pair import Found, Pair

SAMPLE = 16
"""How many label images, spread evenly over a source, decide what it holds."""

PLAUSIBLE_SHARE = 0.5
"""The share of the readable ones that must hold labels; the others are reported when all are read."""

_MORE = 1.01  # how many times more pixels must have a class by colour than by id for colours to be preferred

_FEW_SCENES = {*range(1, 7), IGNORE_INDEX}
"""Values that most images of trainIds have (sidewalk to traffic light, ignore), and few images of labelIds."""


@dataclass
class _Tally:
    """What one way to read the sample gave: files that hold labels, pixels with a class, and why other files failed."""

    plausible: int = 0
    class_pixels: int = 0
    classes: set[int] = field(default_factory=set)
    errors: list[InputError] = field(default_factory=list)

    def add(self, image: LabelImage, pair: Pair, space: LabelSpace) -> LabelMap | None:
        """Count a label image; return its classes, uint8 [H, W], or None if it holds no labels."""
        try:
            labels, _ = decode_labels(image, pair.encoding, pair.own_ids or space, pair.labels)
        except InputError as error:
            if image.ids is not None or pair.encoding != "label ids":  # otherwise it is not what was meant
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
    of a palette tell different classes; or if what may be side by side is not an image and its labels. Files that
    cannot be read are ignored, unless none can.
    """
    readings = [candidate.read_as(encoding) for encoding in candidate.encodings] or [candidate]
    tallies = [_Tally() for _ in readings]
    unreadable: list[InputError] = []
    others: str | None = None
    sample = sampled(candidate.pairs)
    for pair in sample:
        try:
            image = read_labels(pair)
        except InputError as error:
            unreadable.append(error)
            continue
        ways = [replace(pair, encoding=encoding) for encoding in candidate.encodings] or [pair]
        decoded = [tally.add(image, way, space) for tally, way in zip(tallies, ways, strict=True)]
        if not image.kind.startswith("grey"):  # where ids are preferred unless they tell nothing
            _check_agreement(decoded, image, pair, space)
        if others is None and not any(labels is not None for labels in decoded):
            others = _other_space(image, pair)
    best = 0
    for index, tally in enumerate(tallies):
        if (tally.plausible, tally.class_pixels) > (tallies[best].plausible, _MORE * tallies[best].class_pixels):
            best = index
    readable = len(sample) - len(unreadable)
    if tallies[best].plausible < PLAUSIBLE_SHARE * readable:
        seen = next(tally.errors[0] for tally in tallies if tally.errors)
        if candidate.layout == SIDE_BY_SIDE:  # which no name confirms
            raise InputError(f"no labelled images found, nor folders of masks; taken as side by side, {seen}")
        raise InputError(f"{seen}; its colours are those of --label-space {others}") if others else seen
    if candidate.layout == SIDE_BY_SIDE and not readable:
        raise unreadable[0]
    if candidate.layout == SIDE_BY_SIDE and len(tallies[best].classes) < 2:
        raise InputError(f"{sample[0].image}: right halves show one class alone; need side-by-side images and labels")
    return readings[best]


def _other_space(image: LabelImage, pair: Pair) -> str:
    """Return the built-in label space whose colours an image has, "" if there is none."""
    for name, space in LABEL_SPACES.items():
        with suppress(InputError):
            if image.ids is None:
                decode_labels(image, "colours", space, pair.labels)
                return name
    return ""


def sampled(pairs: list[Pair], count: int = SAMPLE) -> list[Pair]:
    """Return `count` of the pairs, or all if there are fewer, spread evenly."""
    positions = np.linspace(0, len(pairs) - 1, min(count, len(pairs))).round().astype(int)
    return [pairs[position] for position in positions]


def _check_agreement(decoded: list[LabelMap | None], image: LabelImage, pair: Pair, space: LabelSpace) -> None:
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


def with_ids(found: Found, space: LabelSpace, ids: Ids) -> Found:
    """Return what was found with its ids taken as `ids` says, or with a remark if they may be Cityscapes' trainIds.

    These and labelIds both count from 0, but name different classes.
    Raises InputError if no label image has an id above 18, the last trainId, and the sample has values that labelIds
    seldom are: 1 to 6, or 255.
    """
    if space.name not in CITYSCAPES or not any(pair.encoding == "label ids" for pair in found.pairs):
        if ids == "train" and space.name not in CITYSCAPES:
            raise InputError(f"got --ids train for {space.name}, which has ids of its own; leave it out")
        return found
    if ids == "train":
        return found.read_as("train ids", instead_of="label ids")
    if ids == "label":
        return found
    pairs = [pair for pair in found.pairs if pair.encoding == "label ids"]
    values: set[int] = set()
    for pair in sampled(pairs):
        values |= _ids(pair)
    if _above(values) or any(_above(_ids(pair)) for pair in pairs):
        return found
    seen = f"no id above {CITYSCAPES_19.class_count - 1} in the masks, as in Cityscapes' trainIds"
    if values & _FEW_SCENES:
        listed = ", ".join(map(str, sorted(values)))
        raise InputError(
            f"{pairs[0].labels}: {seen} (there are {listed}); if they are trainIds give --ids train, if labelIds "
            "--ids label, else the label space they are in"
        )
    return found.with_remark(f"{seen}; if they are trainIds, give --ids train")


def _ids(pair: Pair) -> set[int]:
    """Return the ids of a label image; none if it cannot be read, which is reported when all are read."""
    try:
        ids = read_labels(pair).ids
    except InputError:
        return set()
    return set() if ids is None else set(np.flatnonzero(np.bincount(ids.ravel())).tolist())


def _above(values: set[int]) -> bool:
    return any(CITYSCAPES_19.class_count <= value < IGNORE_INDEX for value in values)
