"""Images and labels on disk -> a prepared dataset, once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from os import cpu_count
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segdata.arrays import create_array
from segdata.calibration_split import choose_calibration
from segdata.colour_labels import decode_colours
from segdata.dataset import CALIBRATION_SPLIT, DATASET_FILE, DatasetFacts, Split, images_file, labels_file
from segdata.errors import InputError
from segdata.files import replacing
from segdata.labels import CITYSCAPES_29, LabelSpace
from segdata.options import PrepareOptions
from segdata.pairs import Pair, find_pairs, read_rgb
from segdata.resize import resize_frame, resize_labels

SMALLEST_SIZE = 16


@dataclass(frozen=True)
class PreparedFrame:
    """A frame, uint8 [size, size, 3] RGB, and its labels, uint8 [size, size].

    `source_pixels`, int64 [C], counts each class before shrinking: what it says does not depend on the size.
    """

    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    source_pixels: npt.NDArray[np.int64]


def prepare(options: PrepareOptions, on_start: Callable[[int], None], on_frame: Callable[[], None]) -> DatasetFacts:
    """Write the pairs below `options.source` as a dataset at `options.target`, which must not exist yet.

    Works on all cores. `on_start` is told how many frames there are, `on_frame` is called after each. Raises
    InputError for anything wrong with the source; the target is then not there.
    """
    if options.size < SMALLEST_SIZE:
        raise InputError(f"got size {options.size}, need {SMALLEST_SIZE} pixels or more")
    if options.target.exists():
        raise InputError(f"{options.target} exists already; remove it or name another folder")
    pairs = find_pairs(options.source)
    on_start(sum(len(split) for split in pairs.values()))
    with replacing(options.target) as folder:
        folder.mkdir()
        splits: dict[str, Split] = {}
        calibration: tuple[int, ...] = ()
        for name, split_pairs in pairs.items():
            class_pixels, source_pixels = _write_split(folder, name, split_pairs, options.size, on_frame)
            splits[name] = Split(tuple(pair.name for pair in split_pairs), tuple(class_pixels.tolist()))
            if name == CALIBRATION_SPLIT:
                # By the source's pixels, so that a scene calibrates at every size or at none.
                calibration = tuple(choose_calibration(source_pixels, options.seed).tolist())
        facts = DatasetFacts(
            height=options.size,
            width=options.size,
            label_space=CITYSCAPES_29.name,
            class_names=CITYSCAPES_29.names,
            colours=CITYSCAPES_29.colours,
            source=options.source.name,
            splits=splits,
            calibration=calibration,
        )
        (folder / DATASET_FILE).write_text(facts.to_json())
    return facts


def prepare_pair(pair: Pair, size: int, space: LabelSpace = CITYSCAPES_29) -> PreparedFrame:
    """Read, decode and shrink one pair; raise InputError if a file is broken or the two differ in size."""
    image, colours = read_rgb(pair.image), read_rgb(pair.labels)
    if image.shape != colours.shape:
        raise InputError(
            f"{pair.image} is {image.shape[1]}x{image.shape[0]} but {pair.labels} is "
            f"{colours.shape[1]}x{colours.shape[0]}; need one size"
        )
    labels = decode_colours(colours, space)
    return PreparedFrame(
        resize_frame(image, size, size),
        resize_labels(labels, size, size),
        count_pixels(labels, space.class_count),
    )


def count_pixels(labels: npt.NDArray[np.uint8], class_count: int) -> npt.NDArray[np.int64]:
    """Return how many pixels of each class `labels` has, int64 [class_count]; ignore is not counted."""
    return np.bincount(labels.ravel(), minlength=256)[:class_count].astype(np.int64)


def _write_split(
    folder: Path, name: str, pairs: list[Pair], size: int, on_frame: Callable[[], None]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Write one split's two arrays; return its pixels of each class, [C], and those of each source frame, [N, C]."""
    shape = (len(pairs), size, size)
    images = create_array(folder / images_file(name), (*shape, 3))
    labels = create_array(folder / labels_file(name), shape)
    class_pixels = np.zeros(CITYSCAPES_29.class_count, dtype=np.int64)
    source_pixels = np.zeros((len(pairs), CITYSCAPES_29.class_count), dtype=np.int64)
    with ThreadPoolExecutor(max_workers=cpu_count()) as executor:
        try:
            # Decoding, resizing and counting run outside Python's lock, so threads use every core.
            for index, frame in enumerate(executor.map(partial(prepare_pair, size=size), pairs)):
                images[index], labels[index] = frame.image, frame.labels
                class_pixels += count_pixels(frame.labels, len(class_pixels))
                source_pixels[index] = frame.source_pixels
                on_frame()
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise
    images.flush()
    labels.flush()
    return class_pixels, source_pixels
