"""Training: the networks, their loop, checkpoints."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from segdata.lazy import imported_from

if TYPE_CHECKING:
    from segtrain.network.checkpoint import load_checkpoint, save_checkpoint
    from segtrain.network.unet import UNet
    from segtrain.options import TrainOptions

__all__ = ["TrainOptions", "UNet", "__version__", "load_checkpoint", "save_checkpoint"]
__version__ = version("edgeseg")

__getattr__ = imported_from(
    __name__,
    {
        "TrainOptions": "segtrain.options",
        "UNet": "segtrain.network.unet",
        "load_checkpoint": "segtrain.network.checkpoint",
        "save_checkpoint": "segtrain.network.checkpoint",
    },
)
