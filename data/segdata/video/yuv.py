"""The colours of video: from red, green and blue to luma and chroma, by the matrix and range a file names."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Matrix = Literal["bt601", "bt709", "bt2020"]

# The weight of red and of blue in luma: ITU-R BT.601-7, 2.5.1; BT.709-6, 3.2; BT.2020-2, table 4 (non-constant).
_RED_AND_BLUE: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}


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
        red_weight, blue_weight = _RED_AND_BLUE[self.matrix]
        red, green, blue = np.moveaxis(colours.astype(np.float64) / 255, -1, 0)
        luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
        blueness = (blue - luma) / (2 * (1 - blue_weight))
        redness = (red - luma) / (2 * (1 - red_weight))
        luma_span, chroma_span, black = (255, 255, 0) if self.full_range else (219, 224, 16)
        coded = (black + luma_span * luma, 128 + chroma_span * blueness, 128 + chroma_span * redness)
        return np.stack(coded, axis=-1).round().clip(0, 255).astype(np.uint8)


def usual_matrix(height: int, width: int) -> Matrix:
    """Return the matrix of a video that names none, as players guess it (mpv: mp_csp_guess_colorspace)."""
    return "bt709" if width >= 1280 or height > 576 else "bt601"
