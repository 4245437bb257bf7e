"""The exact colours that a video's numbers stand for, computed without rounding and without edgeseg's code."""

from collections.abc import Iterable

import av
import numpy as np
from numpy.typing import NDArray

Exact = NDArray[np.float64]

# ITU-T H.273, table 4: the weights of red and blue, by the number of the matrix.
WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
YCGCO = 8
MATRICES = (*WEIGHTS, YCGCO)


def decoded(planes: Iterable[Exact], matrix: int, full_range: bool, bits: int = 8) -> Exact:
    """Return RGB, 0 to 255, [..., 3], of three planes of one shape."""
    luma, first, second = planes
    largest, step = 2**bits - 1, 2 ** (bits - 8)
    luma_span = largest if full_range else 219 * step
    chroma_span = luma_span if full_range or matrix == YCGCO else 224 * step
    y = (luma - (0 if full_range else 16 * step)) / luma_span
    cb, cr = (first - 128 * step) / chroma_span, (second - 128 * step) / chroma_span
    if matrix == YCGCO:
        red, green, blue = y - cb + cr, y + cb, y - cb - cr
    else:
        red_weight, blue_weight = WEIGHTS[matrix]
        red, blue = y + 2 * (1 - red_weight) * cr, y + 2 * (1 - blue_weight) * cb
        green = (y - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    return np.asarray(np.clip(np.stack([red, green, blue], axis=-1) * 255, 0, 255))


def mean_of_blocks(plane: NDArray[np.generic], height: int, width: int) -> Exact:
    """Return the mean of each of `height` x `width` blocks."""
    rows, columns = plane.shape[0] // height, plane.shape[1] // width
    return np.asarray(plane.astype(float).reshape(height, rows, width, columns).mean(axis=(1, 3)))


def smooth_planes(height: int, width: int, bits: int = 8, seed: int = 0) -> tuple[NDArray[np.uint16], ...]:
    """Return luma, and chroma of half the size: patches of random legal numbers, not too far from grey."""
    random = np.random.default_rng(seed)

    def plane(rows: int, columns: int, low: int, high: int) -> NDArray[np.uint16]:
        patches = random.integers(low << (bits - 8), high << (bits - 8), (rows // 8, columns // 8), dtype=np.uint16)
        return patches.repeat(8, 0).repeat(8, 1)

    return (
        plane(height, width, 70, 190),
        plane(height // 2, width // 2, 108, 149),
        plane(height // 2, width // 2, 108, 149),
    )


def frame_of(
    planes: tuple[NDArray[np.uint16], ...], matrix: int = 2, full_range: bool | None = None, bits: int = 8
) -> av.VideoFrame:
    """Return a frame with halved chroma, tagged as such; a range of None is left undeclared."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, "yuv420p" if bits == 8 else f"yuv420p{bits}le")
    dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
    for target, values in zip(frame.planes, planes, strict=True):
        lines = np.zeros((target.height, target.line_size // dtype.itemsize), dtype)
        lines[:, : values.shape[1]] = values
        target.update(lines.tobytes())
    frame.colorspace = matrix
    frame.color_range = {None: 0, False: 1, True: 2}[full_range]
    return frame
