"""Class ids from colour label images, lossless or blurred by JPEG."""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from segdata.labels import IGNORE_INDEX, Colour, LabelMap, LabelSpace

CLEAR_DISTANCE = 20.0
"""How far, in RGB units, a pixel may lie from a palette colour and still clearly mean its class.

Measured on Cityscapes colour JPEGs against the official labels; chosen together with the 5x5 neighbourhood.
"""

EASILY_MIXED = (
    "dynamic",
    "guard rail",
    "bridge",
    "tunnel",
    "truck",
    "bus",
    "caravan",
    "trailer",
    "train",
    "motorcycle",
)
"""Rare classes whose colours are close to mixtures of common ones: car's edge against black passes trailer's."""

CLEAR_PATCH = 6
"""How many pixels of the 3x3 around it an easily mixed class must cover clearly before a pixel counts as clear.

Measured like `CLEAR_DISTANCE`: agreement with the official labels 0.958 without, 0.967 with, of the pixels kept. Asked
of every class it would cost the poles, which are a pixel wide.
"""

LOSSY_SHARE = 0.02
"""The share of mixtures above which an image was stored by a lossy format; JPEGs of streets have 5 % and more."""

FLAT_DISTANCE, FLAT_SHARE, STRAY_SHARE = 8.0, 0.2, 0.15
"""How many pixels lie this near a palette colour at least, and have no clear one around them at most, in labels.

Measured on 400 Cityscapes colour JPEGs: 51 % and more near, 3 % and less stray; on scenes of 64 pixels at quality 75,
30 % and 3 %. On their photos: 13 % and less near, 22 % and more stray.
"""

EVEN_DISTANCE, EVEN_SHARE = 6.0, 0.9
"""The same of an image near one class alone; photos made twelve times darker have up to 70 % so near to black."""

SPECK = 0.01
"""The share of the near pixels below which a class is a speck, and is not counted."""

_NEIGHBOURHOOD = np.ones((5, 5), dtype=np.uint8)
# Colours are looked up on a grid of 4 units: finer than the noise of a JPEG, and the table fits the cache.
_GRID_SHIFT = 2


def decode_colours(image: npt.NDArray[np.uint8], space: LabelSpace) -> LabelMap:
    """Return the class ids, uint8 [H, W], of an RGB colour label image, uint8 [H, W, 3].

    A pixel within `CLEAR_DISTANCE` of a palette colour takes that class; in an image of a lossy format, an easily mixed
    class has to fill `CLEAR_PATCH` of 9 pixels, too. Any other pixel is a mixture that a lossy format made at
    an edge: it takes the nearest colour among the classes that are clear within its 5x5
    neighbourhood, and becomes ignore (255) if there is none.
    """
    nearest, distance = _tables(space.colours)
    index = _cells(image)
    labels: npt.NDArray[np.uint8] = nearest[index]
    mixed = distance[index] > CLEAR_DISTANCE
    if not mixed.any():
        return labels
    if mixed.mean() > LOSSY_SHARE:
        mixed |= _lone_pixels(labels, ~mixed, space)
    clear_labels = np.where(mixed, np.uint8(IGNORE_INDEX), labels)
    labels[mixed] = _nearest_neighbouring_class(image, clear_labels, mixed, space)
    return labels


def why_no_labels(image: npt.NDArray[np.uint8], decoded: LabelMap, space: LabelSpace) -> str | None:
    """Return what an RGB image of a lossy format, uint8 [H, W, 3], shows instead of labels; None if it shows labels.

    `decoded` is what `decode_colours` makes of it, uint8 [H, W].
    Labels are flat: `FLAT_SHARE` of their pixels or more lie within `FLAT_DISTANCE` of a palette colour, and few have
    nothing clear around them. A dark photo is near to black alone, but not as evenly as one class would be.
    """
    nearest, distances = _tables(space.colours)
    index = _cells(image)
    distance = distances[index]
    flat = distance <= FLAT_DISTANCE
    near, stray = np.count_nonzero(flat) / flat.size, np.count_nonzero(decoded == IGNORE_INDEX) / flat.size
    seen = f"{near:.1%} of its pixels are near colours of {space.name}, {stray:.1%} have none around them"
    if near < FLAT_SHARE or stray > STRAY_SHARE:
        return f"{seen}; labels have {FLAT_SHARE:.0%} or more, and {STRAY_SHARE:.0%} or less"
    stands = np.bincount(nearest[index[flat]]) > SPECK * near * flat.size
    even = np.count_nonzero(distance <= EVEN_DISTANCE) / flat.size
    if np.count_nonzero(stands) < 2 and even < EVEN_SHARE:
        return f"{seen}, all near one class, and only {even:.1%} of its very colour; need {EVEN_SHARE:.0%}"
    return None


def _cells(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Return the cell of the colour grid, int32 [H, W], that each pixel of `image` lies in."""
    cells = image >> _GRID_SHIFT
    return (cells[..., 0].astype(np.int32) << 12) | (cells[..., 1].astype(np.int32) << 6) | cells[..., 2]


def _lone_pixels(labels: LabelMap, clear: npt.NDArray[np.bool_], space: LabelSpace) -> npt.NDArray[np.bool_]:
    """Return which `clear` pixels, bool [H, W], carry an easily mixed class that does not fill their surroundings."""
    lone = np.zeros_like(clear)
    for class_id in np.unique(labels[clear]):
        if space.names[class_id] not in EASILY_MIXED:
            continue
        stands = clear & (labels == class_id)
        filled = cv2.boxFilter(stands.astype(np.uint8), cv2.CV_16S, (3, 3), normalize=False)
        lone |= stands & (filled < CLEAR_PATCH)
    return lone


def _nearest_neighbouring_class(
    image: npt.NDArray[np.uint8],
    clear_labels: npt.NDArray[np.uint8],
    mixed: npt.NDArray[np.bool_],
    space: LabelSpace,
) -> npt.NDArray[np.uint8]:
    """Return the class of each of the M `mixed` pixels, uint8 [M], 255 where no neighbour is clear."""
    pixels = image[mixed].astype(np.int32)  # [M, 3]
    best_distance = np.full(len(pixels), np.iinfo(np.int32).max, dtype=np.int32)
    best_class = np.full(len(pixels), IGNORE_INDEX, dtype=np.uint8)
    for class_id in np.unique(clear_labels):
        if class_id == IGNORE_INDEX:
            continue
        stands = (clear_labels == class_id).astype(np.uint8)
        near = cv2.dilate(stands, _NEIGHBOURHOOD)[mixed].astype(bool)
        difference = pixels - np.asarray(space.colours[class_id], dtype=np.int32)
        distance = (difference * difference).sum(axis=1, dtype=np.int32)
        better = near & (distance < best_distance)
        best_distance[better] = distance[better]
        best_class[better] = class_id
    return best_class


@lru_cache(maxsize=4)
def _tables(colours: tuple[Colour, ...]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Return, for each cell of the colour grid, its nearest class and how far its middle is from that colour."""
    step = 1 << _GRID_SHIFT
    axis = np.arange(0, 256, step, dtype=np.float32) + (step - 1) / 2
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)  # [64**3, 3]
    palette = np.asarray(colours, dtype=np.float32)  # [C, 3]
    squared = (grid**2).sum(axis=1)[:, None] - 2 * grid @ palette.T + (palette**2).sum(axis=1)
    return squared.argmin(axis=1).astype(np.uint8), np.sqrt(np.maximum(squared.min(axis=1), 0)).astype(np.float32)
