"""Labels as polygons, from which every tool makes the same pixels again.

Tools disagree on which pixels a polygon has: some take those whose centre is inside (CVAT, pycocotools), others cut
coordinates to whole numbers and take the outline, too (OpenCV's fillPoly, which YOLO uses; Pillow, which labelme uses).
Outlines that lie a quarter of a pixel inside the outer edges of a class are the same to both.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from segdata.images.resize import enlarge, enlarge_labels
from segdata.labels import IGNORE_INDEX, LabelMap

INSET = 0.25
"""How far, in pixels, an outline lies inside the edge of its class."""

Polygon = npt.NDArray[np.float64]
"""Corners, x and y in pixels, float64 [N, 2]; the centre of the first pixel is at 0.5, 0.5."""


def outlines(labels: LabelMap, height: int, width: int) -> Iterator[tuple[int, Polygon]]:
    """Yield the polygons of `labels`, uint8 [h, w], enlarged to the nearest for `height` x `width`, with their ids.

    They do not overlap, and together they cover every pixel that has a class. A hole is joined to the outline around
    it by a cut of no width, since hardly any format has holes.
    """
    rows, columns = labels.shape
    if height < rows or width < columns:
        labels = enlarge_labels(labels, height, width)
    scales = [_edges(small, large) for small, large in zip(labels.shape, (height, width), strict=True)]
    for class_id in np.unique(labels).tolist():
        if class_id != IGNORE_INDEX:
            for ring in _rings((labels == class_id).astype(np.uint8)):
                corners = _corners(ring)
                yield class_id, np.stack([scales[1][corners[:, 0]], scales[0][corners[:, 1]]], axis=1)


def _edges(small: int, large: int) -> npt.NDArray[np.float64]:
    """Return where the two halves of each of `small` pixels go among `large`: the first just after its lower edge."""
    shown = enlarge(np.arange(small, dtype=np.float32)[None], 1, large)[0]
    edges = np.append(np.searchsorted(shown, np.arange(small)), large)
    return np.stack([edges[:-1] + INSET, edges[1:] - INSET], axis=1).ravel()


def _rings(mask: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.int32]]:
    """Yield the outline of each connected part of `mask`, uint8 [h, w], on a grid of half pixels, int32 [N, 2]."""
    doubled = np.kron(mask, np.ones((2, 2), np.uint8))
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if hierarchy is None:
        return
    following, _, first_hole, parent = np.asarray(hierarchy)[0].T.tolist()
    rings = [np.asarray(contour, np.int32).reshape(-1, 2) for contour in contours]
    for index, ring in enumerate(rings):
        if parent[index] >= 0:
            continue
        holes = []
        hole = first_hole[index]
        while hole >= 0:
            holes.append(rings[hole])
            hole = following[hole]
        yield _joined(ring, holes)


def _joined(ring: npt.NDArray[np.int32], holes: list[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
    """Return a ring with its holes cut into it: from each hole's leftmost point straight to the next ring on its left.

    That ring begins further left, so it is part of the whole by then.
    """
    for hole in sorted(holes, key=lambda points: int(points[:, 0].min())):
        begin = int(hole[:, 0].argmin())
        x, y = hole[begin]
        on_left = np.where((ring[:, 1] == y) & (ring[:, 0] <= x), ring[:, 0], -1)
        end = int(on_left.argmax())
        turned = np.roll(hole, -begin, axis=0)
        ring = np.concatenate([ring[: end + 1], turned, turned[:1], ring[end:]])
    return ring


def _corners(ring: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return a ring without the points where it goes straight on."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    before, after = (np.sign(step) for step in (before, after))
    return np.asarray(ring[(before != after).any(axis=1)])
