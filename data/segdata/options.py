"""The options of `seg-data`'s subcommands."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segdata.option import argument, flag, option
from segdata.size import Size

DEFAULT_LABEL_SPACE = "cityscapes-29"
"""The classes that a colour image of Cityscapes can tell apart."""

Ids = Literal["auto", "label", "train"]
"""What ids of Cityscapes are: labelIds, trainIds, or labelIds unless they look like trainIds."""

_IDS = "What masks of Cityscapes' ids hold: labelIds or trainIds."
_SPACES = "Classes: cityscapes-29, -19 or -8, or a .toml or .json file that defines them."
_SIZE = "N|WxH"


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """The options of `prepare`.

    `label_space` is the name of a built-in space or the path of a .toml or .json file. `val_fraction` is the share of
    the frames that becomes val where the source has no splits, or one that is not val. `seed` decides which frames
    those are, and which of val calibrate INT8. `any_size` takes sizes for networks from elsewhere, which need not be
    multiples of 16.
    """

    source: Path = argument()
    target: Path = argument()
    sizes: tuple[Size, ...] = option((Size(128, 128),), "Pixels; several make a folder each.", "--size", metavar=_SIZE)
    any_size: bool = flag("Take sizes that seg-train has no network for, too.")
    label_space: str = option(DEFAULT_LABEL_SPACE, _SPACES)
    ids: Ids = option("auto", _IDS)
    val_fraction: float = option(0.1, "Share that becomes val if SOURCE has no splits.")
    seed: int = option(0, "Seed of val, and of the choice of calibration frames.")


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """The options of `check`: the same source, label space and ids that `prepare` takes."""

    source: Path = argument()
    label_space: str = option(DEFAULT_LABEL_SPACE, _SPACES)
    ids: Ids = option("auto", _IDS)


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """The options of `show`: how many frames of which split go on the sheet, and the folder it is written to."""

    dataset: Path = argument()
    output: Path = option(Path(), "Folder to write to.", "-o", "--output", metavar="FOLDER")
    split: str = option("val", "The split the frames are from.")
    frames: int = option(8, "Frames on the sheet.")


@dataclass(frozen=True, kw_only=True)
class SynthOptions:
    """The options of `synth`: how many frames of which size, and how many seconds of video."""

    target: Path = argument()
    train: int = option(200, "Training frames to make.")
    val: int = option(50, "Validation frames to make.")
    size: Size = option(Size(256, 256), "Size in pixels; the view is the same at any.", metavar=_SIZE)
    seconds: float = option(6.0, "Length of the drive video; 0 makes none.")
    seed: int = option(0, "Another seed, another town.")
