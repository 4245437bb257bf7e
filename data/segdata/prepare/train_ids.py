"""Tells Cityscapes' trainIds from labelIds: both count from 0 but name different classes."""

import numpy as np

from segdata.errors import InputError
from segdata.labels import CITYSCAPES_19, IGNORE_INDEX, LABEL_SPACES, LabelSpace
from segdata.options import Ids
from segdata.prepare.judging import sampled
from segdata.prepare.pair import Found, Pair
from segdata.prepare.reading import read_labels

_FEW_SCENES = {*range(1, 7), IGNORE_INDEX}
"""Values that most trainIds images have (sidewalk to traffic light, ignore), and labelIds of few scenes."""


def with_ids(found: Found, space: LabelSpace, ids: Ids) -> Found:
    """Return what was found with its ids taken as `ids` says, or with a remark if they may be trainIds.

    Raises InputError if no label image has an id above 18, the last trainId, and the sample has values that labelIds
    seldom are: 1 to 6, or 255.
    """
    if space.name not in LABEL_SPACES or not any(pair.encoding == "label ids" for pair in found.pairs):
        if ids == "train" and space.name not in LABEL_SPACES:
            raise InputError(f"got --ids train for {space.name}, whose file says what its ids are; leave it out")
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
    """Return the ids of a label image; none if it cannot be read, which is told where all are."""
    try:
        ids = read_labels(pair).ids
    except InputError:
        return set()
    return set() if ids is None else set(np.flatnonzero(np.bincount(ids.ravel())).tolist())


def _above(values: set[int]) -> bool:
    return any(CITYSCAPES_19.class_count <= value < IGNORE_INDEX for value in values)
