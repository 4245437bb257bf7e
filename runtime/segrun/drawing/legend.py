"""The legend and the speed in the picture."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from segdata.labels import Colour
from segdata.video.picture import Picture
from segdata.video.yuv import ColourCoding
from segrun.drawing.stamp import Sketch, Stamp, text_width

WHITE = (255, 255, 255)
LEAST_ROW, MOST_ROW = 11, 36  # pixels: letters of less cannot be read, of more are in the way
ROWS_IN_A_PICTURE = 32  # as high as rows are where there is room
LONGEST_NAME = 24  # letters


class Legend:
    """A panel at the top left with a row for each class: its colour and its name.

    Rows are as high as fit, and stand in several columns where one does not hold them all. Where a picture is too small
    for that, the last classes are left out, and it is said how many.
    """

    def __init__(
        self, classes: Sequence[str], colours: Sequence[Colour], height: int, width: int, coding: ColourCoding
    ) -> None:
        """Draw the panel for pictures of `height` x `width` pixels, coded as `coding` says."""
        entries = [(_ascii(name), colour) for name, colour in zip(classes, colours, strict=True)]
        layout = _layout([name for name, _ in entries], height, width)
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
        self._row = _row_height(height)
        self._fits = height >= self._row + 2 * _margin(self._row)
        self._text: str | None = None
        self._stamp: Stamp | None = None

    def draw(self, picture: Picture, text: str) -> None:
        """Blend `text` into `picture`, in place; it is left out where it does not fit."""
        if text != self._text:
            self._text, self._stamp = text, self._drawn(_ascii(text))
        if self._stamp:
            self._stamp.draw(picture)

    def _drawn(self, text: str) -> Stamp | None:
        row, margin, letters = self._row, _margin(self._row), _letters(self._row)
        sketch_width = _even(text_width(text, letters) + row)
        left = (self._width - margin - sketch_width) // 2 * 2
        if left < 0 or not self._fits:
            return None
        sketch = Sketch(_even(row), sketch_width, corner=row // 4)
        sketch.text(text, row // 2, _baseline(0, row), letters, WHITE)
        return sketch.stamp(margin, left, self._coding)


@dataclass(frozen=True)
class _Layout:
    """`columns` of `column_width` pixels, each of `rows` of `row` pixels."""

    row: int
    rows: int
    columns: int
    column_width: int


def _layout(names: Sequence[str], height: int, width: int) -> _Layout | None:
    """Return the layout with rows as high as fit, or None if not even one does."""
    row = _row_height(height)
    row = max(LEAST_ROW, min(row, (height - 2 * _margin(row)) // (len(names) + 1)))  # the box needs another one
    most_rows = (height - 2 * _margin(row)) // row - 1
    column_width = row * 2 + max(text_width(name, _letters(row)) for name in names)
    if most_rows < 1 or column_width > width - 2 * _margin(row) - row:
        return None
    most_columns = max(1, width * 2 // 3 // column_width)  # the rest is for the picture, and for the speed
    columns = min(most_columns, -(-len(names) // most_rows))
    return _Layout(row, min(most_rows, -(-len(names) // columns)), columns, column_width)


def _drawn(entries: Sequence[tuple[str, Colour]], layout: _Layout, coding: ColourCoding) -> Stamp:
    row, letters = layout.row, _letters(layout.row)
    swatch = row * 2 // 3
    sketch = Sketch(
        _even(layout.rows * row + row // 2), _even(layout.columns * layout.column_width + row // 2), corner=row // 4
    )
    for index, (name, colour) in enumerate(entries[: layout.rows * layout.columns]):
        column, place = divmod(index, layout.rows)
        left, top = row // 2 + column * layout.column_width, row // 4 + place * row
        if index == layout.rows * layout.columns - 1 < len(entries) - 1:
            sketch.text(f"+{len(entries) - index} more", left, _baseline(top, row), letters, WHITE)
            break
        sketch.swatch(left, top + (row - swatch) // 2, swatch, colour)
        sketch.text(name, left + row, _baseline(top, row), letters, WHITE)
    return sketch.stamp(_margin(row), _margin(row), coding)


def _row_height(height: int) -> int:
    return min(max(LEAST_ROW, height // ROWS_IN_A_PICTURE), MOST_ROW)


def _letters(row: int) -> float:
    """Return the height of capital letters in a row."""
    return row * 0.5


def _baseline(top: int, row: int) -> int:
    return top + round((row + _letters(row)) / 2)


def _margin(row: int) -> int:
    return _even(row // 2)


def _even(length: int) -> int:
    return length + length % 2


def _ascii(text: str) -> str:
    """Return `text` in the letters that OpenCV's font has: without accents, and others as question marks."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in plain)
    return plain if len(plain) <= LONGEST_NAME else f"{plain[: LONGEST_NAME - 2]}.."
