"""What the subcommands of `seg-data` are asked for."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PrepareOptions:
    """The options of `prepare`. `size` is the height and width in pixels of the prepared frames."""

    source: Path
    target: Path
    size: int = 128
    seed: int = 0


@dataclass(frozen=True)
class SynthOptions:
    """The options of `synth`: how many frames of which size, in pixels, and how many seconds of video."""

    target: Path
    train: int = 200
    val: int = 50
    size: int = 256
    seconds: float = 6.0
    seed: int = 0
