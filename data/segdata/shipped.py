"""The models that come with edgeseg: one a frame size, the most accurate one besides, and their names."""

from pathlib import Path

from segdata.errors import InputError

_FOLDER = Path(__file__).parent / "shipped"

SHIPPED_SIZES = (64, 128, 256)

DEFAULT_SIZE = 256
"""The size of the model that is exported where none is named."""

_ONNX = ("fp16", "int8")  # the most exact first
_PRECISIONS = {**dict.fromkeys((f"unet-{size}" for size in SHIPPED_SIZES), _ONNX), "unet-256-lite": ("int8",)}

MODELS = tuple(_PRECISIONS)
"""The names of the shipped models, wherever a model is asked for. Of unet-256-lite, the INT8 file alone is shipped."""

DEFAULT_MODEL = "unet-256-lite"
"""What is run where no model is named: the most accurate one, and about as fast as unet-256."""


def shipped_checkpoint(size: int | None = None) -> Path:
    """Return the weights seg-export starts from; its activation ranges on Cityscapes val stand beside it.

    Raises InputError for a size that is not shipped.
    """
    return _FOLDER / f"{_of_size(size)}.safetensors"


def shipped_onnx(size: int | None = None) -> tuple[Path, ...]:
    """Return the files of the model, the most exact first: float16, then INT8, which loses at most 0.1 points of mIoU.

    Which is faster, the processor decides. Raises InputError for a size that is not shipped.
    """
    return tuple(_FOLDER / f"{_of_size(size)}.{precision}.onnx" for precision in _ONNX)


def checkpoint_file(word: Path) -> Path:
    """Return the checkpoint that `word` means: a file, or the weights of a shipped model such as unet-128.

    Raises InputError if it is neither.
    """
    if not word.is_file() and str(word) in MODELS:
        if _PRECISIONS[str(word)] != _ONNX:
            raise InputError(
                f"{word}: its weights are not part of the package; take lite2-256.safetensors of the repository's "
                "train/weights"
            )
        return _FOLDER / f"{word}.safetensors"
    return _file(word)


def model_files(word: Path) -> tuple[Path, ...]:
    """Return the files that `word` means: itself, or those of a shipped model, the most exact first.

    unet-128 is float16 and INT8, unet-128.int8 the latter alone. Raises InputError if it is neither.
    """
    name, _, precision = str(word).partition(".")
    precisions = _PRECISIONS.get(name, ())
    if word.is_file() or (precision and precision not in precisions) or not precisions:
        return (_file(word),)
    return tuple(_FOLDER / f"{name}.{each}.onnx" for each in precisions if precision in ("", each))


def _file(path: Path) -> Path:
    if path.is_dir():
        best = path / "best.safetensors"
        here = f"; take {best}" if best.is_file() else ""
        raise InputError(f"{path}: a folder, need a file{here}")
    if not path.is_file():
        raise InputError(f"{path}: no such file; need one that edgeseg wrote, or a model's name: {', '.join(MODELS)}")
    return path


def _of_size(size: int | None) -> str:
    if size is not None and size not in SHIPPED_SIZES:
        raise InputError(f"got size {size}, models are shipped for {', '.join(map(str, SHIPPED_SIZES))} pixels")
    return f"unet-{size or DEFAULT_SIZE}"


DEFAULT_ONNX = shipped_onnx()
"""The model that seg-export and seg-bench preflight take where none is named."""
