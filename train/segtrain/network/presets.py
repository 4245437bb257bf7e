"""The architectures as they travel in a ModelSpec, and those that `--arch` names."""

from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le
from pydantic import ConfigDict

Block = Literal["plain", "separable", "residual"]
Upsample = Literal["transpose", "resize"]
ArchitectureName = Literal["nano", "small", "base"]
EncoderName = Literal["lite0", "lite1", "lite2"]
Channels = Annotated[int, Ge(1), Le(8192)]
Levels = Annotated[int, Ge(1), Le(12)]


@dataclass(frozen=True)
class Architecture:
    """The options of `segtrain.network.unet.UNet`, as they travel in a ModelSpec."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # where a checkpoint's spec is read

    width: Channels
    depth: Levels = 4
    widest: Channels = 1024
    block: Block = "plain"
    upsample: Upsample = "resize"
    stem_stride: Literal[1, 2] = 2

    name: ClassVar[str] = "unet"

    @property
    def multiple(self) -> int:
        """What height and width must be divisible by."""
        return self.stem_stride * int(2**self.depth)

    def options(self) -> dict[str, int | str]:
        """Return the options as ModelSpec carries them."""
        return asdict(self)


@dataclass(frozen=True)
class LiteArchitecture:
    """The options of `segtrain.network.lite_unet.LiteUNet`, as they travel in a ModelSpec."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # where a checkpoint's spec is read

    encoder: EncoderName
    decoder_width: Channels = 32

    name: ClassVar[str] = "unet-lite"
    multiple: ClassVar[int] = 32
    """What height and width must be divisible by."""

    def options(self) -> dict[str, int | str]:
        """Return the options as ModelSpec carries them."""
        return asdict(self)


# Each about four times the work of the one before it.
PRESETS: dict[ArchitectureName, Architecture] = {
    "nano": Architecture(width=16, widest=64),
    "small": Architecture(width=32, widest=128),
    "base": Architecture(width=64, widest=256),
}
