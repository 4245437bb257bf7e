"""The legend under the picture, where it covers nothing: there is room for it side by side."""

from collections.abc import Iterator, Sequence

import numpy as np

from segdata.labels import Colour
from segdata.video.picture import Picture
from segdata.video.yuv import ColourCoding
from segrun.drawing.rows import WHITE, baseline, drawable, even, letter_height, margin, row_height
from segrun.drawing.stamp import BOX, Sketch, text_width

MOST_ROWS = 2


class Strip:
    """A strip of one height for all frames of a video, with the classes from left to right: colour and name.

    It has a second row if one does not hold the names of all classes; the last that do not fit are counted.
    """

    def __init__(self, classes: Sequence[str], height: int, width: int, coding: ColourCoding) -> None:
        """Prepare for pictures of `height` x `width` pixels, even numbers, whose legend may name all of `classes`."""
        self._row, self._width, self._coding = row_height(height), width, coding
        self._margin = margin(self._row)
        needed = sum(self._cell(name) for name in map(drawable, classes))
        rows = max(1, min(MOST_ROWS, -(-needed // max(1, width - 2 * self._margin))))
        self._lines = [self._margin + row * self._row for row in range(rows)]
        self._height = even(rows * self._row + 2 * self._margin)
        self._shown: tuple[tuple[str, Colour], ...] | None = None

    def under(self, picture: Picture, entries: Sequence[tuple[str, Colour]]) -> Picture:
        """Return a new picture: `picture` above, and the strip with `entries`, name and RGB, under it."""
        if tuple(entries) != self._shown:
            self._shown, self._strip = tuple(entries), self._drawn(entries)
        whole = picture.blank_alike(picture.height + self._height, picture.width)
        for target, above, below in zip(whole.planes, picture.planes, self._strip.planes, strict=True):
            target[: len(above)], target[len(above) :] = above, below
        return whole

    def _drawn(self, entries: Sequence[tuple[str, Colour]]) -> Picture:
        row, swatch = self._row, self._row * 2 // 3
        strip = Picture.from_rgb(np.full((self._height, self._width, 3), BOX, np.uint8), self._coding)
        sketch = Sketch(self._height, self._width, corner=0)
        for name, colour, left, top in self._placed(entries):
            if colour is not None:
                sketch.swatch(left, top + (row - swatch) // 2, swatch, colour)
            indent = row if colour is not None else 0
            sketch.text(name, left + indent, baseline(top, row), letter_height(row), WHITE)
        sketch.stamp(0, 0, self._coding).draw(strip)
        return strip

    def _placed(self, entries: Sequence[tuple[str, Colour]]) -> Iterator[tuple[str, Colour | None, int, int]]:
        """Yield name, colour, left and top of each entry that fits; where one does not, the number of those left."""
        lines, left, right = iter(self._lines), self._margin, self._width - self._margin
        top, last = next(lines), self._lines[-1]
        for index, (name, colour) in enumerate((drawable(name), colour) for name, colour in entries):
            more = f"+{len(entries) - index} more"
            reserved = self._cell(more) if top == last and index < len(entries) - 1 else 0
            if left + self._cell(name) + reserved > right:
                if top == last:
                    if left + self._cell(more) <= right:
                        yield more, None, left, top
                    return
                top, left = next(lines), self._margin
            yield name, colour, left, top
            left += self._cell(name)

    def _cell(self, name: str) -> int:
        """Return how many pixels an entry takes, with the space after it."""
        return 2 * self._row + text_width(name, letter_height(self._row))
