"""Images and labels on disk -> a prepared dataset, once."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

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


Prepared = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
"""A frame, uint8 [size, size, 3] RGB, and its labels, uint8 [size, size]."""


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
            class_pixels = _write_split(folder, name, split_pairs, options.size, on_frame)
            splits[name] = Split(tuple(pair.name for pair in split_pairs), tuple(class_pixels.sum(axis=0).tolist()))
            if name == CALIBRATION_SPLIT:
                calibration = tuple(choose_calibration(class_pixels, options.seed).tolist())
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


def prepare_pair(pair: Pair, size: int, space: LabelSpace = CITYSCAPES_29) -> Prepared:
    """Read, decode and shrink one pair; raise InputError if a file is broken or the two differ in size."""
    image, colours = read_rgb(pair.image), read_rgb(pair.labels)
    if image.shape != colours.shape:
        raise InputError(
            f"{pair.image} is {image.shape[1]}x{image.shape[0]} but {pair.labels} is "
            f"{colours.shape[1]}x{colours.shape[0]}; need one size"
        )
    return resize_frame(image, size, size), resize_labels(decode_colours(colours, space), size, size)


def _write_split(
    folder: Path, name: str, pairs: list[Pair], size: int, on_frame: Callable[[], None]
) -> npt.NDArray[np.int64]:
    """Write one split's two arrays and return the pixels of each class in each frame, int64 [N, C]."""
    shape = (len(pairs), size, size)
    images = np.lib.format.open_memmap(folder / images_file(name), mode="w+", dtype=np.uint8, shape=(*shape, 3))
    labels = np.lib.format.open_memmap(folder / labels_file(name), mode="w+", dtype=np.uint8, shape=shape)
    class_pixels = np.zeros((len(pairs), CITYSCAPES_29.class_count), dtype=np.int64)
    with ProcessPoolExecutor() as executor:
        try:
            done = executor.map(partial(prepare_pair, size=size), pairs, chunksize=8)
            for index, (image, label) in enumerate(done):
                images[index], labels[index] = image, label
                class_pixels[index] = np.bincount(label.ravel(), minlength=256)[: CITYSCAPES_29.class_count]
                on_frame()
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise
    images.flush()
    labels.flush()
    return class_pixels
