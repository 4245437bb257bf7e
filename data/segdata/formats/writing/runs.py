"""Labels as run lengths: COCO's code, CVAT's and Label Studio's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import numpy.typing as npt

from segdata.labels import IGNORE_INDEX, LabelMap

_LONGEST = 1 << 16  # values of a series in Label Studio's code
_CHANNELS = 4  # it holds a picture of red, green, blue and alpha


@dataclass(frozen=True)
class Runs:
    """The runs of one class in the line of an image's pixels, length N: from `starts` to before `ends`, int64 [R]."""

    class_id: int
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    length: int

    @property
    def area(self) -> int:
        """How many pixels the class has."""
        return int((self.ends - self.starts).sum())

    def counts(self) -> list[int]:
        """Return how many pixels are out, in, out, ... of the class; the first may be 0."""
        borders = np.stack([self.starts, self.ends], axis=1).ravel()
        counts = np.diff(borders, prepend=0).tolist()
        return counts if borders[-1] == self.length else [*counts, self.length - int(borders[-1])]


def class_runs(line: npt.NDArray[np.uint8]) -> Iterator[Runs]:
    """Yield the runs of each class in `line`, uint8 [N], in order of ids; 255 is no class."""
    starts = np.concatenate([[0], np.flatnonzero(line[1:] != line[:-1]) + 1])
    ends = np.append(starts[1:], line.size)
    values = line[starts]
    for class_id in np.unique(values).tolist():
        if class_id != IGNORE_INDEX:
            of_class = values == class_id
            yield Runs(class_id, starts[of_class], ends[of_class], line.size)


def box(runs: Runs, height: int) -> tuple[int, int, int, int]:
    """Return left, top, width and height, in pixels, of runs that go column by column."""
    first, last = runs.starts, runs.ends - 1
    left, right = int(first[0]) // height, int(last[-1]) // height
    if (first // height != last // height).any():  # a run continues at the top of the next column
        return left, 0, right - left + 1, height
    top, bottom = int((first % height).min()), int((last % height).max())
    return left, top, right - left + 1, bottom - top + 1


def coco_code(counts: Sequence[int]) -> str:
    """Return run lengths as COCO writes them (rleToString of its maskApi.c).

    From the fourth on each is the difference to the last but one; then five bits a letter, the lowest first, with a
    sixth where more follow; letters begin at "0".
    """
    letters = []
    for index, count in enumerate(counts):
        rest = count - counts[index - 2] if index > 2 else count
        more = True
        while more:
            bits = rest & 0x1F
            rest >>= 5
            more = rest != (-1 if bits & 0x10 else 0)
            letters.append(chr(48 + bits + 0x20 * more))
    return "".join(letters)


def cvat_counts(labels: LabelMap, class_id: int, left: int, top: int, width: int, height: int) -> list[int]:
    """Return the run lengths of a class within a box, row by row, the first outside the class: CVAT's mask."""
    inside = labels[top : top + height, left : left + width] == class_id
    return next(class_runs(np.where(inside, 0, IGNORE_INDEX).astype(np.uint8).ravel())).counts()


def label_studio_code(counts: Sequence[int]) -> list[int]:
    """Return run lengths, row by row, as bytes of Label Studio's brush: 255 in the class, 0 out of it, four channels.

    The code is rle-pack of thi.ng/umbrella: 32 bits of length, 5 of word size less one, four times 4 of how many bits a
    count has, less one; then for each series a 1, 2 bits of which of the four, its length less one, and its value.
    """
    pieces = [f"{_CHANNELS * sum(counts):032b}", f"{8 - 1:05b}", *(f"{bits - 1:04b}" for bits in (3, 4, 8, 16))]
    for count, value in zip(counts, cycle(("00000000", "11111111")), strict=False):
        left = _CHANNELS * count
        while left:
            length = min(left, _LONGEST)
            left -= length
            pieces.append(f"1{_length_bits(length)}{value}")
    bits = "".join(pieces)
    bits += "0" * (-len(bits) % 8)
    return list(int(bits, 2).to_bytes(len(bits) // 8, "big"))


def _length_bits(length: int) -> str:
    if length <= 1 << 3:
        return f"00{length - 1:03b}"
    if length <= 1 << 4:
        return f"01{length - 1:04b}"
    return f"10{length - 1:08b}" if length <= 1 << 8 else f"11{length - 1:016b}"
