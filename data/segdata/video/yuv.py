"""Conversion between RGB and YUV by the matrix and range that a file names."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

Matrix = Literal["bt601", "bt709", "fcc", "smpte240m", "bt2020", "ycgco"]

Affine = npt.NDArray[np.float64]
"""float64 [3, 4], multiplied with (a, b, c, 1)."""

# The weights of red and of blue in luma: ITU-T H.273, table 4, values 6, 1, 4, 7 and 9 (not constant luminance).
_RED_AND_BLUE: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020": (0.2627, 0.0593),
}
_YCGCO = (
    (0.25, 0.5, 0.25),
    (-0.25, 0.5, -0.25),
    (0.5, 0.0, -0.5),
)  # H.273, 8.3: of red, green and blue


@dataclass(frozen=True)
class ColourCoding:
    """How a video's numbers stand for colours.

    `matrix` mixes red, green and blue; `full_range` says that luma and chroma use 0 to 255, and not 16 to 235 and 16 to
    240, as television does.
    """

    matrix: Matrix
    full_range: bool

    def from_rgb(self, colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the luma and chroma (Y, Cb, Cr) of `colours`, RGB uint8 [..., 3], in the same shape."""
        coded = colours @ self.from_rgb_affine()[:, :3].T + self.from_rgb_affine()[:, 3]
        return coded.round().clip(0, 255).astype(np.uint8)

    def from_rgb_affine(self) -> Affine:
        """Return the transform from red, green and blue to Y, Cb and Cr, all 0 to 255."""
        return _from_rgb(self.matrix, self.full_range, 8)

    def to_rgb_affine(self, bits: int = 8) -> Affine:
        """Return the transform from Y, Cb and Cr, of `bits` divided to 8, to red, green and blue, 0 to 255."""
        matrix = _from_rgb(self.matrix, self.full_range, bits)
        inverse = np.linalg.inv(matrix[:, :3])
        return np.column_stack([inverse, -inverse @ matrix[:, 3]])


@cache
def _from_rgb(matrix: Matrix, full_range: bool, bits: int) -> Affine:
    if matrix == "ycgco":
        mixed = np.array(_YCGCO)
    else:
        red, blue = _RED_AND_BLUE[matrix]
        luma = np.array([red, 1 - red - blue, blue])
        blueness = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
        redness = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
        mixed = np.stack([luma, blueness, redness])
    # H.273, 8.3: in full range, white in 10 bits is 1023, which divided by 4 is a little more than 255.
    luma_span = chroma_span = 256 - 2.0 ** (8 - bits) if full_range else 219.0
    if not full_range and matrix != "ycgco":  # which is made of red, green and blue that have luma's span
        chroma_span = 224.0
    spans = np.array([luma_span, chroma_span, chroma_span]) / 255
    return np.column_stack([mixed * spans[:, None], [0 if full_range else 16, 128, 128]])


def usual_matrix(height: int, width: int) -> Matrix:
    """Return the matrix of a video that names none, as players guess it (mpv: mp_csp_guess_colorspace)."""
    return "bt709" if width >= 1280 or height > 576 else "bt601"
