"""The models that come with edgeseg: one a frame size. The defaults of every command."""

from pathlib import Path

from segdata.errors import InputError

_FOLDER = Path(__file__).parent / "shipped"

SHIPPED_SIZES = (64, 128, 256)

DEFAULT_SIZE = 256
"""The size whose model stands where none is named: the most accurate, and fast enough for video on two CPU cores."""


def shipped_checkpoint(size: int | None = None) -> Path:
    """Return the weights seg-export starts from; its activation ranges on Cityscapes val stand beside it.

    Raises InputError for a size that is not shipped.
    """
    return _shipped(size, "safetensors")


def shipped_onnx(size: int | None = None) -> tuple[Path, ...]:
    """Return the files of the model, the most exact first: float16, then INT8, which loses at most 0.1 points of mIoU.

    Which is faster, the processor decides. Raises InputError for a size that is not shipped.
    """
    return _shipped(size, "fp16.onnx"), _shipped(size, "int8.onnx")


def _shipped(size: int | None, suffix: str) -> Path:
    if size is not None and size not in SHIPPED_SIZES:
        raise InputError(f"got size {size}, models are shipped for {', '.join(map(str, SHIPPED_SIZES))} pixels")
    return _FOLDER / f"unet-{size or DEFAULT_SIZE}.{suffix}"


DEFAULT_ONNX = shipped_onnx()
"""What seg-run runs where no model is named: whichever is faster."""
