"""Shapes that COCO's tools fill column by column: polygons, and RLE."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np

from segdata.errors import InputError
from segdata.formats.reading.run_lengths import Counts, checked, counts_of_codes, inside
from segdata.formats.reading.shapes import Mask, Points, Shape

_AT_ONCE = 64  # polygons that are filled together


@dataclass(frozen=True)
class Polygons:
    """The polygons of one region, filled as pycocotools does; the insides of all of them belong to it."""

    parts: tuple[Points, ...]

    def mask(self, height: int, width: int) -> Mask:
        """Return the pixels; raise ImportError without pycocotools."""
        return next(_filled([self], height, width))


@dataclass(frozen=True)
class ColumnRuns:
    """COCO's RLE: counts column by column, or their code, of an image of `height` x `width`."""

    counts: str | Counts
    height: int
    width: int

    def mask(self, height: int, width: int) -> Mask:
        """Return the pixels."""
        if (height, width) != (self.height, self.width):
            raise InputError(f"its RLE is {self.width}x{self.height}, the image {width}x{height}; need one size")
        counts = self.counts
        if isinstance(counts, str):
            (counts,) = counts_of_codes([counts.encode("latin-1", "replace")])
        return _by_columns(checked(counts, height * width), height)


def masks(shapes: Iterable[Shape], height: int, width: int) -> Iterator[Mask]:
    """Yield what each shape's `mask` returns; many polygons are filled at once, which takes half the time."""
    for kind, group in groupby(shapes, type):
        if kind is Polygons:
            yield from _filled((shape for shape in group if isinstance(shape, Polygons)), height, width)
        else:
            yield from (shape.mask(height, width) for shape in group)


def _filled(polygons: Iterable[Polygons], height: int, width: int) -> Iterator[Mask]:
    from pycocotools import mask as coco_mask

    left = iter(polygons)
    while some := list(islice(left, _AT_ONCE)):
        of_parts = (coco_mask.frPyObjects([part.ravel() for part in one.parts], height, width) for one in some)
        codes = [(coco_mask.merge(codes) if len(codes) > 1 else codes[0])["counts"] for codes in of_parts]
        yield from (_by_columns(counts, height) for counts in counts_of_codes(codes))


def _by_columns(counts: Counts, height: int) -> Mask:
    """Return the mask of the counts of an image, no wider than the region."""
    if len(counts) == 1:  # nothing is in it
        return Mask(np.zeros((0, 0), np.bool_))
    before, after = int(counts[0]) // height, int(counts[-1]) // height if len(counts) % 2 else 0
    part = counts.copy()
    part[0] -= before * height
    part[-1] -= after * height
    return Mask(inside(part).reshape(-1, height).T, 0, before)
