"""Training: the networks, their loop, checkpoints."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segtrain.network.checkpoint import load_checkpoint, save_checkpoint
    from segtrain.network.unet import UNet
    from segtrain.options import TrainOptions

__all__ = ["TrainOptions", "UNet", "__version__", "load_checkpoint", "save_checkpoint"]
__version__ = version("edgeseg")

# Imported on first use: `--help` needs none of their libraries.
_PLACES = {
    "TrainOptions": "segtrain.options",
    "UNet": "segtrain.network.unet",
    "load_checkpoint": "segtrain.network.checkpoint",
    "save_checkpoint": "segtrain.network.checkpoint",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
