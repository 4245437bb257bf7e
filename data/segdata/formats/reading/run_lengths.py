"""Run lengths, as COCO, CVAT and Label Studio write them, back into counts and masks."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from segdata.errors import InputError

Counts = npt.NDArray[np.int64]
"""How many pixels are out of the region, in it, out of it, ...: int64 [R]."""

_MORE = 0x20  # the bit of a letter that more follow
_LETTERS_A_COUNT = 7  # of five bits: more than the pixels of any image take
_LARGEST_BRUSH = 1 << 28  # bytes, four a pixel: 67 million pixels, as of images


def counts_of_codes(codes: Sequence[bytes]) -> list[Counts]:
    """Return the counts of each of one or more of COCO's compressed codes (rleFrString of its maskApi.c).

    A letter has five bits, the lowest first, and a sixth where more follow; from the fourth count on each is the
    difference to the last but one. Raises InputError if one is not such a code.
    """
    letters = np.frombuffer(b"".join(codes), np.uint8) - np.uint8(48)  # what is below 48 wraps around
    ends = np.cumsum([len(code) for code in codes])
    if not all(codes) or letters.max() > 63 or (letters[ends - 1] >= _MORE).any():
        raise InputError("its RLE is not COCO's code")
    last = np.flatnonzero(letters < _MORE)
    first = np.append(0, last[:-1] + 1)
    lengths = last - first + 1
    if lengths.max() > _LETTERS_A_COUNT:
        raise InputError("its RLE is not COCO's code")
    shift = 5 * (np.arange(letters.size) - np.repeat(first, lengths))
    counts = np.add.reduceat((letters & np.uint8(0x1F)) << shift, first)
    counts -= (letters[last] >> 4).astype(np.int64) << 5 * lengths  # the sign
    of_each = [counts[begin:end] for begin, end in pairwise([0, *np.searchsorted(last, ends).tolist()])]
    for one in of_each:
        for own in (one[1::2], one[2::2]):
            np.add.accumulate(own, out=own)
    return of_each


def checked(counts: object, pixels: int) -> Counts:
    """Return `counts` as an array; raise InputError unless they are whole, not negative, and add up to `pixels`."""
    try:
        array = np.asarray(counts, np.float64).ravel()
    except (ValueError, TypeError, OverflowError):
        raise InputError("its RLE is not a list of counts") from None
    if not array.size or not np.isfinite(array).all() or array.min() < 0 or (array != np.floor(array)).any():
        raise InputError("its RLE has counts that are not numbers of pixels")
    if array.sum() != pixels:
        raise InputError(f"its RLE is of {array.sum():.0f} pixels, need {pixels}; it is of another size")
    return array.astype(np.int64)


def inside(counts: Counts) -> npt.NDArray[np.bool_]:
    """Return which pixels are in the region, bool [N]."""
    alternating = np.zeros(len(counts), np.bool_)
    alternating[1::2] = True
    return np.repeat(alternating, counts)


def brush_alpha(data: bytes, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return the alpha, uint8 [H, W], of Label Studio's brush code, which has a picture of four channels.

    The code is rle-pack of thi.ng/umbrella: 32 bits of length, 5 of word size less one, four times 4 of how many bits a
    count has, less one; then for each series a 1 if it is one value again and again, 2 bits of which of the four, its
    length less one, and its value, or as many values. Raises InputError if it is not that code, or of another size.
    """
    bits, at = "".join(f"{byte:08b}" for byte in data), 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        if at > len(bits):
            raise InputError("its brush ends too early")
        return int(bits[at - count : at], 2)

    length, word = take(32), take(5) + 1
    if length != 4 * height * width or length > _LARGEST_BRUSH or word != 8:
        raise InputError(f"its brush is of {length // 4} pixels, need {height * width}; it is of another size")
    sizes = [take(4) + 1 for _ in range(4)]
    values = bytearray()
    while len(values) < length:
        again, count = take(1), take(sizes[take(2)]) + 1
        values += bytes([take(8)]) * count if again else bytes(take(8) for _ in range(count))
    return np.frombuffer(bytes(values[:length]), np.uint8).reshape(height, width, 4)[..., 3]
