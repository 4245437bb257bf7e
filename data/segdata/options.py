"""The options of `seg-data`'s subcommands."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segdata.command_line.option import argument, flag, option
from segdata.formats.writing.names import DatasetFormat
from segdata.images.size import Size

DEFAULT_LABEL_SPACE = "cityscapes-29"
"""The classes that a colour image of Cityscapes can tell apart."""

Ids = Literal["auto", "label", "train"]
"""What ids of Cityscapes are: labelIds, trainIds, or labelIds unless they look like trainIds."""

_IDS = "What masks of Cityscapes' ids hold: labelIds or trainIds."
_SPACES = (
    "Classes: cityscapes-29, -19 or -8, bdd100k, camvid, camvid-11, mapillary-v1.2 or -v2.0, or a .toml or .json file "
    "that defines them."
)
_BACKGROUND = "Class of pixels that annotations (COCO, CVAT, ...) leave out."
_SIZE = "N|WxH"


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """The options of `prepare`.

    `label_space` is the name of a built-in space or the path of a .toml or .json file. `background` is the class of
    what is in no region of COCO's and other tools' annotations, or "ignore". `val_fraction` is the share of
    the frames that becomes val where the source has no splits, or one that is not val. `seed` decides which frames
    those are, and which of val calibrate INT8. `any_size` takes sizes for networks from elsewhere, which need not be
    multiples of 16.
    """

    source: Path = argument()
    target: Path = argument()
    sizes: tuple[Size, ...] = option((Size(128, 128),), "Pixels; several make a folder each.", "--size", metavar=_SIZE)
    any_size: bool = flag("Also take sizes that seg-train has no network for.")
    label_space: str = option(DEFAULT_LABEL_SPACE, _SPACES)
    ids: Ids = option("auto", _IDS)
    background: str = option("ignore", _BACKGROUND, metavar="CLASS|ignore")
    val_fraction: float = option(0.1, "Share that becomes val if SOURCE has no splits.")
    seed: int = option(0, "Seed of val, and of the choice of calibration frames.")


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """The options of `check`: the same source, label space and ids that `prepare` takes."""

    source: Path = argument()
    label_space: str = option(DEFAULT_LABEL_SPACE, _SPACES)
    ids: Ids = option("auto", _IDS)
    background: str = option("ignore", _BACKGROUND, metavar="CLASS|ignore")


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """The options of `convert`: a source as `prepare` takes it, or a prepared dataset, and the format of `target`.

    A prepared dataset has its own classes: `label_space` and `ids` are ignored.
    """

    source: Path = argument(metavar="DATASET")
    target: Path = argument(metavar="DST")
    to: DatasetFormat = option("coco", "What DST is.")
    label_space: str = option(DEFAULT_LABEL_SPACE, _SPACES)
    ids: Ids = option("auto", _IDS)
    background: str = option("ignore", _BACKGROUND, metavar="CLASS|ignore")


@dataclass(frozen=True, kw_only=True)
class ClassesOptions:
    """The options of `classes`: annotations of another tool, and the TOML file that their classes are written to."""

    source: Path = argument()
    output: Path = option(Path("classes.toml"), "File to write.", "-o", "--output", metavar="FILE")


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """The options of `show`: how many frames of which split go on the sheet, and the folder it is written to.

    `split` is val, or the first there is, if it is None. Of a prepared dataset the classes are its own, and
    `label_space`, `ids` and `background` count for nothing.
    """

    dataset: Path = argument()
    output: Path = option(Path(), "Folder to write to.", "-o", "--output", metavar="FOLDER")
    split: str | None = option(None, "The split the frames are from; else val, or the first there is.")
    frames: int = option(8, "Frames on the sheet.")
    label_space: str = option(DEFAULT_LABEL_SPACE, _SPACES)
    ids: Ids = option("auto", _IDS)
    background: str = option("ignore", _BACKGROUND, metavar="CLASS|ignore")


@dataclass(frozen=True, kw_only=True)
class SynthOptions:
    """The options of `synth`: how many frames of which size, and how many seconds of video."""

    target: Path = argument()
    train: int = option(200, "Training frames to make.")
    val: int = option(50, "Validation frames to make.")
    size: Size = option(Size(256, 256), "Size in pixels; the view is the same at every size.", metavar=_SIZE)
    seconds: float = option(6.0, "Length of the drive video; 0 makes none.")
    seed: int = option(0, "Another seed, another town.")
