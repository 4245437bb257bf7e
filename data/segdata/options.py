"""What the subcommands of `seg-data` are asked for."""

from dataclasses import dataclass
from pathlib import Path

DEFAULT_LABEL_SPACE = "cityscapes-29"
"""The classes that a colour image of Cityscapes can tell apart."""

Size = tuple[int, int]
"""Width and height in pixels, as people write it: WxH."""


@dataclass(frozen=True)
class PrepareOptions:
    """The options of `prepare`.

    `label_space` is the name of a built-in space or the path of a .toml or .json file. `val_fraction` is the share of
    the frames that becomes val where the source has no splits, or one that is not val. `seed` decides which frames
    those are, and which of val calibrate INT8.
    """

    source: Path
    target: Path
    sizes: tuple[Size, ...] = ((128, 128),)
    label_space: str = DEFAULT_LABEL_SPACE
    val_fraction: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class CheckOptions:
    """The options of `check`: the same source and label space that `prepare` takes."""

    source: Path
    label_space: str = DEFAULT_LABEL_SPACE


@dataclass(frozen=True)
class ShowOptions:
    """The options of `show`: how many frames of which split go on the sheet, and the folder it is written to."""

    dataset: Path
    output: Path = Path()
    split: str = "val"
    frames: int = 8


@dataclass(frozen=True)
class SynthOptions:
    """The options of `synth`: how many frames of which size, and how many seconds of video."""

    target: Path
    train: int = 200
    val: int = 50
    size: Size = (256, 256)
    seconds: float = 6.0
    seed: int = 0
