"""How a stored picture is shown: mirrored, rotated, with non-square pixels, progressive or in fields."""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, cast

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideDataContainer, Type

Fields = Literal["none", "top first", "bottom first"]


@dataclass(frozen=True)
class Display:
    """First `mirrored` left to right, then turned left by `quarters` of a circle, 0 to 3.

    `pixel_aspect` is the width to the height of a pixel as it is stored. `fields` says whether every other line was
    taken at another moment, and which of the two came first.
    """

    mirrored: bool = False
    quarters: int = 0
    pixel_aspect: Fraction = Fraction(1)
    fields: Fields = "none"

    @classmethod
    def of(cls, frame: av.VideoFrame, pixel_aspect: Fraction, fields: Fields) -> "Display":
        """Return how `frame` is shown, from the display matrix that comes with it.

        Angles are rounded to quarters of a circle.
        """
        try:
            # Not frame.side_data: the frame keeps that, and is not freed before Python looks for circles.
            matrix = SideDataContainer(frame)[Type.DISPLAYMATRIX]  # type: ignore[call-arg] # missing from PyAV's stub
        except KeyError:
            return cls(pixel_aspect=pixel_aspect, fields=fields)
        except ValueError:  # PyAV (18.1) lists none if one is of a kind it cannot name, as the EXIF of a JPEG
            return cls(False, round(frame.rotation / 90) % 4, pixel_aspect, fields)
        # FFmpeg's libavutil/display.h: x' = a x + c y, y' = b x + d y, with y downwards.
        a, b, _, c, d = map(int, np.frombuffer(cast("memoryview", matrix), np.int32)[:5])
        mirrored = a * d < b * c
        clockwise = math.atan2(-b, -a) if mirrored else math.atan2(b, a)
        return cls(mirrored, round(-2 * clockwise / math.pi) % 4, pixel_aspect, fields)

    @property
    def lies_down(self) -> bool:
        """Whether height and width are swapped."""
        return self.quarters % 2 == 1

    def turned(self, stored: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return `stored`, [H, W] or [H, W, 3], as it is shown; a view of the same memory."""
        return np.rot90(stored[:, ::-1] if self.mirrored else stored, self.quarters)

    def upright(self) -> "Display":
        """Return how a picture is shown after it was turned; it has no fields then, unless nothing moved."""
        if not self.mirrored and not self.quarters:
            return self
        aspect = 1 / self.pixel_aspect if self.lies_down else self.pixel_aspect
        return replace(self, mirrored=False, quarters=0, pixel_aspect=aspect, fields="none")


UPRIGHT = Display()
"""As it is stored."""
