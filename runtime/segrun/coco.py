"""Labels in the words of COCO: a run-length code for each class, as pycocotools reads it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def annotations(labels: npt.NDArray[np.uint8], image_id: int) -> list[dict[str, object]]:
    """Return one annotation for each class in `labels`, uint8 [H, W]; `category_id` is the class id.

    `segmentation` is {"size": [H, W], "counts": text}, `bbox` [x, y, width, height], `area` in pixels.
    """
    found: list[dict[str, object]] = []
    for number, class_id in enumerate(np.unique(labels).tolist(), start=1):
        mask = labels == class_id
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        left, top = int(columns[0]), int(rows[0])
        found.append(
            {
                "id": number,
                "image_id": image_id,
                "category_id": class_id,
                "segmentation": {"size": list(labels.shape), "counts": encoded(run_lengths(mask))},
                "area": int(mask.sum()),
                "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
                "iscrowd": 0,
            }
        )
    return found


def run_lengths(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Return how many pixels of `mask`, bool [H, W], are out, in, out, ... of it, column by column, from the left.

    The first may be 0.
    """
    line = mask.ravel(order="F")
    borders = [0, *(np.flatnonzero(line[1:] != line[:-1]) + 1).tolist(), line.size]
    return [0] * bool(line[0]) + np.diff(borders).tolist()


def encoded(counts: Sequence[int]) -> str:
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
