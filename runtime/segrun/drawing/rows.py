"""Rows of text in a picture: their height, their letters, and names in letters that can be drawn."""

import unicodedata

WHITE = (255, 255, 255)
LEAST_ROW, MOST_ROW = 11, 36  # pixels: smaller letters cannot be read, larger ones are in the way
ROWS_IN_A_PICTURE = 32  # the height of rows where there is room
LONGEST_NAME = 24  # letters


def row_height(height: int) -> int:
    """Return how high a row is in a picture of `height`, both in pixels."""
    return min(max(LEAST_ROW, height // ROWS_IN_A_PICTURE), MOST_ROW)


def letter_height(row: int) -> float:
    """Return the height of capital letters in a row."""
    return row * 0.5


def baseline(top: int, row: int) -> int:
    """Return the baseline of a row that begins at `top`."""
    return top + round((row + letter_height(row)) / 2)


def margin(row: int) -> int:
    """Return how far text stays from the edge of a picture."""
    return even(row // 2)


def even(length: int) -> int:
    """Return `length`, or one more if it is odd: chroma has half the pixels."""
    return length + length % 2


def drawable(text: str) -> str:
    """Return `text` in the letters that OpenCV's font has: without accents, with question marks for the rest."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in plain)
    return plain if len(plain) <= LONGEST_NAME else f"{plain[: LONGEST_NAME - 2]}.."
