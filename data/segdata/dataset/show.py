"""Draws labelled frames: a sheet of some, and how common each class is."""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogFormatter

from segdata.dataset.dataset import Dataset
from segdata.dataset.facts import CALIBRATION_SPLIT, DatasetFacts
from segdata.errors import InputError
from segdata.files import replacing
from segdata.labels import Colour, palette
from segdata.options import ShowOptions

_SHOWN_HEIGHT = 160  # pixels; frames are shown at the aspect they are stored in
_WIDEST = 4 * _SHOWN_HEIGHT
_MOST_FRAMES = 100  # a sheet of more is too tall for a PNG that opens everywhere
_LONGEST_NAME = 32
_OVERLAY = 0.5
_HATCHES = ("", "//", "..")  # how a split's bars are told from another's: colour says the class


Frame = tuple[str, npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
"""A name, an image uint8 [H, W, 3] in RGB, and labels uint8 [H, W]."""


def show_dataset(options: ShowOptions) -> list[Path]:
    """Write `sheet.png` and `classes.png` of a prepared dataset into `options.output`; return their paths.

    The frames are spread evenly over the split. Raises InputError if there is no dataset, or the split is missing or
    empty.
    """
    dataset = Dataset(options.dataset)
    name = split_to_show(options, {split: len(facts.names) for split, facts in dataset.facts.splits.items()})
    split = dataset.split(name)
    chosen = split.spread(options.frames)
    frames = [(split.names[index], split.images[index], split.labels[index]) for index in chosen]
    return draw(dataset.facts, frames, options.output)


def split_to_show(options: ShowOptions, counts: dict[str, int]) -> str:
    """Return the split that is asked for: by default val, or the first there is.

    `counts` says how many frames each has. Raises InputError if there is none of that name, it is empty, or too many
    or no frames are asked for.
    """
    if not 1 <= options.frames <= _MOST_FRAMES:
        raise InputError(f"got {options.frames} frames, need 1 to {_MOST_FRAMES}")
    name = options.split or (CALIBRATION_SPLIT if CALIBRATION_SPLIT in counts else next(iter(counts), ""))
    if name not in counts:
        raise InputError(f"{options.dataset}: got the split {name}, this dataset has {', '.join(counts)}")
    if not counts[name]:
        raise InputError(f"{options.dataset}: the split {name} is empty; name another")
    return name


def draw(facts: DatasetFacts, frames: list[Frame], output: Path) -> list[Path]:
    """Write `sheet.png` of the frames and `classes.png` into `output`; return their paths."""
    paths = [output / "sheet.png", output / "classes.png"]
    for path, figure in zip(paths, (sheet(facts, frames), balance(facts)), strict=True):
        with replacing(path) as temporary, warnings.catch_warnings():
            # matplotlib draws boxes for scripts that its font does not have.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure.savefig(temporary, dpi=110)
    return paths


def sheet(facts: DatasetFacts, frames: list[Frame]) -> Figure:
    """Draw a row a frame (name, image, labels): the image, the labels in true colours, both, and a legend below."""
    colours = palette(facts.colours)
    width = min(max(_SHOWN_HEIGHT * facts.width // facts.height, _SHOWN_HEIGHT // 2), _WIDEST)
    rows = len(frames)
    figure = Figure(figsize=(3 * width / 80, rows * _SHOWN_HEIGHT / 80 + 1.6), layout="constrained")
    axes = figure.subplots(rows, 3, squeeze=False)
    present: set[int] = set()
    for row, (name, image, labels) in zip(axes, frames, strict=True):
        coloured = colours[labels]
        overlay = cv2.addWeighted(image, 1 - _OVERLAY, coloured, _OVERLAY, 0)
        for axis, picture in zip(row, (image, coloured, overlay), strict=True):
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(_shortened(name), fontsize=7, parse_math=False)
        present |= set(np.unique(labels).tolist())
    for axis, title in zip(axes[0], ("image", "labels", "both"), strict=True):
        axis.set_title(title, fontsize=9)
    class_legend(figure, present, facts.class_names, facts.colours, columns=6)
    return figure


def class_legend(
    figure: Figure, present: Iterable[int], names: Sequence[str], colours: Sequence[Colour], columns: int
) -> None:
    """Draw below `figure` the name and colour of each class id in `present`; one that is no class is left out."""
    shades = np.asarray(colours) / 255
    handles = [
        Line2D([], [], marker="s", linestyle="", color=shades[class_id], markeredgecolor="grey", label=names[class_id])
        for class_id in sorted(present)
        if class_id < len(names)
    ]
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=7, frameon=False)
    _take_literally(legend)


def balance(facts: DatasetFacts) -> Figure:
    """Draw the share of labelled pixels that each class has, by split, on a logarithmic axis, which shows rare ones."""
    figure = Figure(figsize=(9, 0.24 * len(facts.class_names) + 1.4), layout="constrained")
    axis = figure.subplots()
    positions = np.arange(len(facts.class_names))
    keys: list[Patch] = []
    thickness = 0.8 / max(len(facts.splits), 1)
    for offset, (name, split) in enumerate(facts.splits.items()):
        pixels = np.asarray(split.class_pixels, dtype=np.float64)
        shares = 100 * pixels / max(pixels.sum(), 1)
        place = positions + (offset - (len(facts.splits) - 1) / 2) * thickness
        fill = np.asarray(facts.colours) / 255
        hatch = _HATCHES[offset % len(_HATCHES)]
        axis.barh(place, shares, thickness, color=fill, edgecolor="black", linewidth=0.4, hatch=hatch)
        keys.append(Patch(facecolor="lightgrey", edgecolor="black", hatch=hatch, label=name))
    if any(any(split.class_pixels) for split in facts.splits.values()):  # an empty bar has no logarithm
        axis.set_xscale("log")
    axis.set_yticks(positions, facts.class_names, parse_math=False)
    axis.set_xlabel("percent of labelled pixels (logarithmic)")
    counts = ", ".join(f"{name} {len(split.names)}" for name, split in facts.splits.items())
    axis.set_title(f"Classes of {_shortened(facts.source)}: {counts}", parse_math=False)
    axis.invert_yaxis()
    axis.grid(axis="x", alpha=0.3)
    axis.tick_params(labelsize=8)
    axis.margins(y=0.01)
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(LogFormatter())  # where all shares are within a power of ten; no powers in its words
    _take_literally(axis.legend(handles=keys, loc="lower right"))
    return figure


def _shortened(name: str) -> str:
    """Return a name; only its end if it is too long to draw, since that is where names of frames differ."""
    return name if len(name) <= _LONGEST_NAME else "…" + name[1 - _LONGEST_NAME :]


def _take_literally(legend: Legend) -> None:
    """Draw dollar signs in names as dollar signs: to matplotlib they begin a formula."""
    for text in legend.get_texts():
        text.set_parse_math(False)
