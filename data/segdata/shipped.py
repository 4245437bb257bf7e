"""The models that come with edgeseg: one a frame size, more accurate ones besides, and their names."""

from pathlib import Path

from segdata.errors import InputError

_FOLDER = Path(__file__).parent / "shipped"

SHIPPED_SIZES = (64, 128, 256)

DEFAULT_SIZE = 256
"""The size of the model that is exported where none is named."""

_ONNX = ("fp16", "int8")  # the most exact first
_CHECKPOINT = ".safetensors"
_LITE = {"unet-128-lite": "lite2-128", "unet-256-lite": "lite2-256"}  # by name, and the weights in train/weights
_PRECISIONS = dict.fromkeys((f"unet-{size}" for size in SHIPPED_SIZES), _ONNX) | dict.fromkeys(_LITE, ("int8",))

MODELS = tuple(_PRECISIONS)
"""The names of the shipped models, wherever a model is asked for. Of the lite ones, the INT8 file alone is shipped."""

_NEEDED = f"need one that edgeseg wrote, or a model's name: {', '.join(MODELS)}"

DEFAULT_MODEL = "unet-256-lite"
"""What is run where no model is named: the most accurate one, and about as fast as unet-256."""


def shipped_checkpoint(size: int | None = None) -> Path:
    """Return the weights seg-export starts from; its activation ranges on Cityscapes val stand beside it.

    Raises InputError for a size that is not shipped.
    """
    return _FOLDER / f"{_of_size(size)}{_CHECKPOINT}"


def shipped_onnx(size: int | None = None) -> tuple[Path, ...]:
    """Return the files of the model, the most exact first: float16, then INT8, which loses at most 0.2 points of mIoU.

    Which is faster depends on the processor. Raises InputError for a size that is not shipped.
    """
    return tuple(_FOLDER / f"{_of_size(size)}.{precision}.onnx" for precision in _ONNX)


def checkpoint_file(word: Path) -> Path:
    """Return the checkpoint that `word` means: a file, or the weights of a shipped model such as unet-128.

    Raises InputError if it is neither.
    """
    name, suffix = split_name(word)
    if name is None:
        return _file(word, _CHECKPOINT)
    if name in _LITE:
        raise InputError(
            f"{word}: its weights are not part of the package; take {_LITE[name]}{_CHECKPOINT} of the repository's "
            "train/weights"
        )
    if suffix:
        raise InputError(f"{word}: no such file; the weights of the shipped model are called {name}")
    return _FOLDER / f"{name}{_CHECKPOINT}"


def model_files(word: Path) -> tuple[Path, ...]:
    """Return the files that `word` means: itself, or those of a shipped model, the most exact first.

    unet-128 is float16 and INT8, unet-128.int8 the latter alone. Raises InputError if it is neither.
    """
    name, suffix = split_name(word)
    if name is None:
        return (_file(word, ".onnx", _CHECKPOINT),)
    files = {each: _FOLDER / f"{name}.{each}.onnx" for each in _PRECISIONS[name]}
    if suffix and suffix not in files:
        shipped = " and ".join(f"{name}.{each}" for each in files)
        raise InputError(f"{word}: no such file; {name} is shipped as {shipped}: write one of these, or {name}")
    return (files[suffix],) if suffix else tuple(files.values())


def split_name(word: Path) -> tuple[str | None, str]:
    """Return the shipped model that `word` names, and what follows its dot: unet-128.fp16 gives unet-128 and fp16.

    None and "" for anything else, and where there is a file of that name.
    """
    name, _, suffix = str(word).partition(".")
    return (None, "") if name not in MODELS or word.is_file() else (name, suffix)


def _file(path: Path, *suffixes: str) -> Path:
    """Return the path of a file; of a folder, raise InputError and name the file of `suffixes` that may be meant."""
    if path.is_dir():
        held = [file for suffix in suffixes for file in sorted(path.glob(f"*{suffix}"))]
        best = path / f"best{_CHECKPOINT}"
        meant = best if best in held else next(iter(held), None)
        way = f"take {meant}" if meant else _NEEDED
        raise InputError(f"{path}: a folder; {way}")
    if not path.is_file():
        raise InputError(f"{path}: no such file; {_NEEDED}")
    return path


def _of_size(size: int | None) -> str:
    if size is not None and size not in SHIPPED_SIZES:
        raise InputError(f"got size {size}, models are shipped for {', '.join(map(str, SHIPPED_SIZES))} pixels")
    return f"unet-{size or DEFAULT_SIZE}"


DEFAULT_ONNX = shipped_onnx()
"""The model that seg-export and seg-bench preflight take where none is named."""
