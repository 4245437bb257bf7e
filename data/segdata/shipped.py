"""The models that come with edgeseg, one a frame size, and their names."""

from pathlib import Path

from segdata.errors import InputError

_FOLDER = Path(__file__).parent / "shipped"

SHIPPED_SIZES = (64, 128, 256)

DEFAULT_SIZE = 256
"""The size whose model stands where none is named: the most accurate, and fast enough for video on two CPU cores."""

MODELS = tuple(f"unet-{size}" for size in SHIPPED_SIZES)
"""The names of the shipped models, wherever a model is asked for."""

DEFAULT_MODEL = f"unet-{DEFAULT_SIZE}"

_ONNX = ("fp16", "int8")  # the most exact first


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
        return _FOLDER / f"{word}.safetensors"
    return _file(word)


def model_files(word: Path) -> tuple[Path, ...]:
    """Return the files that `word` means: itself, or those of a shipped model, the most exact first.

    unet-128 is float16 and INT8, unet-128.int8 the latter alone. Raises InputError if it is neither.
    """
    name, _, precision = str(word).partition(".")
    if name not in MODELS or precision not in ("", *_ONNX) or word.is_file():
        return (_file(word),)
    return tuple(_FOLDER / f"{name}.{each}.onnx" for each in _ONNX if precision in ("", each))


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
"""What seg-run runs where no model is named: whichever is faster."""
