"""The legend, with the classes that it names and their order, and the speed in the picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from segdata.labels import Colour
from segdata.video.picture import Picture
from segdata.video.yuv import ColourCoding
from segrun.drawing.rows import LEAST_ROW, WHITE, baseline, drawable, even, letter_height, margin, row_height
from segrun.drawing.stamp import Sketch, Stamp, text_width
from segrun.frame import Segmented

PATIENCE = 1.0
"""Seconds of the video between two rankings: names that jump at every frame cannot be read."""

_LEAST = 0.0005
"""The least share of the picture that a class must cover: less is a speck of a few pixels."""


class Ranking:
    """Ranks the classes that are in the picture, the largest first; `left_out` are never named."""

    def __init__(self, left_out: Sequence[str] = ()) -> None:
        self._left_out = left_out
        self._looked_at: float | None = None
        self._names: tuple[str, ...] = ()

    def __call__(self, segmented: Segmented) -> tuple[str, ...]:
        """Return the names of the classes, those of `segmented` or of a frame less than a second before it."""
        seconds = segmented.frame.seconds
        if segmented.frame.still or self._looked_at is None or not 0 <= seconds - self._looked_at < PATIENCE:
            self._looked_at = seconds
            shares = sorted(segmented.shares.items(), key=lambda item: -item[1])
            self._names = tuple(name for name, share in shares if share >= _LEAST and name not in self._left_out)
        return self._names


class Legend:
    """A panel at the top left with a row for each class it is given: its colour and its name.

    Rows are as high as fits, in several columns where one does not hold them all. In a picture that is too small for
    that, the last classes are left out, and the panel says how many.
    """

    def __init__(self, entries: Sequence[tuple[str, Colour]], height: int, width: int, coding: ColourCoding) -> None:
        """Draw the panel of `entries`, name and RGB, for pictures of `height` x `width` pixels of this coding."""
        entries = [(drawable(name), colour) for name, colour in entries]
        layout = _layout([name for name, _ in entries], height, width) if entries else None
        self._stamp = _drawn(entries, layout, coding) if layout else None

    def draw(self, picture: Picture) -> None:
        """Blend the panel into `picture`, in place."""
        if self._stamp:
            self._stamp.draw(picture)


class SpeedText:
    """A line of text at the top right, such as the speed."""

    def __init__(self, height: int, width: int, coding: ColourCoding) -> None:
        """Prepare for pictures of `height` x `width` pixels, coded as `coding` says."""
        self._width, self._coding = width, coding
        self._row = row_height(height)
        self._fits = height >= self._row + 2 * margin(self._row)
        self._text: str | None = None
        self._stamp: Stamp | None = None

    def draw(self, picture: Picture, text: str) -> None:
        """Blend `text` into `picture`, in place; it is left out where it does not fit."""
        if text != self._text:
            self._text, self._stamp = text, self._drawn(drawable(text))
        if self._stamp:
            self._stamp.draw(picture)

    def _drawn(self, text: str) -> Stamp | None:
        row, letters = self._row, letter_height(self._row)
        sketch_width = even(text_width(text, letters) + row)
        left = (self._width - margin(row) - sketch_width) // 2 * 2
        if left < 0 or not self._fits:
            return None
        sketch = Sketch(even(row), sketch_width, corner=row // 4)
        sketch.text(text, row // 2, baseline(0, row), letters, WHITE)
        return sketch.stamp(margin(row), left, self._coding)


@dataclass(frozen=True)
class _Layout:
    """`columns` of `column_width` pixels, each of `rows` of `row` pixels."""

    row: int
    rows: int
    columns: int
    column_width: int


def _layout(names: Sequence[str], height: int, width: int) -> _Layout | None:
    """Return the layout with the highest rows that fit, or None if not even one does."""
    row = row_height(height)
    row = max(LEAST_ROW, min(row, (height - 2 * margin(row)) // (len(names) + 1)))  # the box needs another one
    most_rows = (height - 2 * margin(row)) // row - 1
    column_width = row * 2 + max(text_width(name, letter_height(row)) for name in names)
    if most_rows < 1 or column_width > width - 2 * margin(row) - row:
        return None
    most_columns = max(1, width * 2 // 3 // column_width)  # the rest is for the picture, and for the speed
    columns = min(most_columns, -(-len(names) // most_rows))
    return _Layout(row, min(most_rows, -(-len(names) // columns)), columns, column_width)


def _drawn(entries: Sequence[tuple[str, Colour]], layout: _Layout, coding: ColourCoding) -> Stamp:
    row, letters = layout.row, letter_height(layout.row)
    swatch = row * 2 // 3
    sketch = Sketch(
        even(layout.rows * row + row // 2), even(layout.columns * layout.column_width + row // 2), corner=row // 4
    )
    for index, (name, colour) in enumerate(entries[: layout.rows * layout.columns]):
        column, place = divmod(index, layout.rows)
        left, top = row // 2 + column * layout.column_width, row // 4 + place * row
        if index == layout.rows * layout.columns - 1 < len(entries) - 1:
            sketch.text(f"+{len(entries) - index} more", left, baseline(top, row), letters, WHITE)
            break
        sketch.swatch(left, top + (row - swatch) // 2, swatch, colour)
        sketch.text(name, left + row, baseline(top, row), letters, WHITE)
    return sketch.stamp(margin(row), margin(row), coding)
