"""Draws labelled images that are not prepared yet, as a network would be given them; or a prepared dataset."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from segdata.command_line.progress import SILENT, Progress
from segdata.cores import usable_cores
from segdata.dataset.dataset import DATASET_FILE
from segdata.dataset.facts import DatasetFacts
from segdata.dataset.show import draw, show_dataset, split_to_show
from segdata.images.size import Size
from segdata.labels import LabelSpace
from segdata.options import ShowOptions
from segdata.prepare.frame import PreparedFrame, prepare_pair, split_facts
from segdata.prepare.label_files import find_label_space
from segdata.prepare.labels.reading import read_rgb
from segdata.prepare.layouts.find import find_layout
from segdata.prepare.layouts.judging import sampled
from segdata.prepare.pair import Splits

_HEIGHT = 256  # pixels that frames are shrunk to
_NARROW = 4  # how many times wider or narrower than high they are shown at most
_COUNTED = 50
"""Frames of each split, at most, whose pixels say how common a class is: a look, not a measurement."""


def show(options: ShowOptions, progress: Progress = SILENT) -> list[Path]:
    """Write `sheet.png` and `classes.png` of a prepared dataset or of labelled images; return their paths.

    The frames are spread evenly over the split. Of labelled images the classes are counted on 50 frames of each split.
    Raises InputError if there is nothing to draw, or a file to be drawn cannot be read.
    """
    source = options.dataset
    if not source.is_dir() or (source / DATASET_FILE).is_file() or any(source.glob(f"*/{DATASET_FILE}")):
        return show_dataset(options)
    space = find_label_space(options.label_space)
    found = find_layout(source, space, options.ids, options.background)
    splits = {name: pairs for name, pairs in found.splits.items() if pairs}
    name = split_to_show(options, {split: len(pairs) for split, pairs in splits.items()})
    shown = sampled(splits[name], options.frames)
    height, width = read_rgb(shown[0].image).shape[:2]
    size = Size(_HEIGHT, min(max(_HEIGHT // _NARROW, round(_HEIGHT * width / height)), _HEIGHT * _NARROW))
    counted = {split: sampled(pairs, _COUNTED) for split, pairs in splits.items()}
    read = _read({**counted, "": shown}, space, size, progress)
    facts = DatasetFacts(
        height=size.height,
        width=size.width,
        label_space=space.name,
        class_names=space.names,
        colours=space.colours,
        source=source.resolve().name,
        plan_sha256="",
        splits={split: split_facts(counted[split], [made.done for made in read[split]], 0, space) for split in counted},
        calibration=(),
        calibration_sha256="",
        evaluation_sha256="",
    )
    frames = [(pair.name, made.images[0], made.labels[0]) for pair, made in zip(shown, read[""], strict=True)]
    return draw(facts, frames, options.output)


def _read(splits: Splits, space: LabelSpace, size: Size, progress: Progress) -> dict[str, list[PreparedFrame]]:
    progress.start(sum(map(len, splits.values())))
    read: dict[str, list[PreparedFrame]] = {split: [] for split in splits}
    with ThreadPoolExecutor(usable_cores()) as executor:
        for split, pairs in splits.items():
            for made in executor.map(partial(prepare_pair, space=space, sizes=(size,)), pairs):
                read[split].append(made)
                progress.advance()
    return read
