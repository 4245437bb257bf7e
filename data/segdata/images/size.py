"""The size of a frame: height, then width, as arrays have it; people write it width first."""

import re
from typing import NamedTuple

from segdata.errors import InputError


class Size(NamedTuple):
    """Height and width in pixels. Written `128`, or `256x128` for a frame 256 wide and 128 high."""

    height: int
    width: int

    def __str__(self) -> str:
        return str(self.width) if self.width == self.height else f"{self.width}x{self.height}"


def parse_size(text: str) -> Size:
    """Return the size that `128` or `256x128` (width x height) means; raise InputError for anything else."""
    parts = re.fullmatch(r"([0-9]{1,5})(?:x([0-9]{1,5}))?", text)
    if parts is None:
        raise InputError(f"{text[:80]!r} is not a size; write 128, or 256x128 for width and height")
    return Size(width=int(parts[1]), height=int(parts[2] or parts[1]))
