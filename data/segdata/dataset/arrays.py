"""Arrays on disk that are filled frame by frame."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    Mapped: TypeAlias = "np.memmap[tuple[int, ...], np.dtype[np.uint8]]"
else:
    Mapped = np.memmap


def create_array(path: Path, shape: tuple[int, ...]) -> Mapped:
    """Create a .npy file of uint8 zeros in `shape` and return it as a writable memory map.

    Raises OSError if the disk has no room for all of it: writing to a map whose file does not fit ends the process.
    """
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        start, size = file.tell(), int(np.prod(shape))
        if hasattr(os, "posix_fallocate") and size:
            file.flush()
            os.posix_fallocate(file.fileno(), start, size)
        else:
            file.truncate(start + size)
    return open_array(path, "r+")


def open_array(path: Path, mode: Literal["r", "r+"] = "r", shape: tuple[int, ...] | None = None) -> Mapped:
    """Map a .npy file; raise OSError or ValueError if it is not one, or not uint8 in `shape` where that is given.

    Unlike numpy.load it reads only plain arrays: no archives, no pickles.
    """
    if not path.is_file():  # opening a pipe would wait for its writer
        raise ValueError("no such file")
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError):
        raise
    except Exception as error:  # numpy reads the header by way of Python's tokenizer, whose errors come through
        raise ValueError(str(error) or type(error).__name__) from None
    assert isinstance(array, np.memmap)
    if path.stat().st_size != array.offset + array.nbytes:
        raise ValueError(f"it has {path.stat().st_size} bytes, its header says {array.offset + array.nbytes}")
    if shape is not None and (array.shape != shape or array.dtype != np.uint8):
        raise ValueError(f"it holds {array.dtype} {list(array.shape)}, need uint8 {list(shape)}")
    if mode == "r":
        return array
    # Only now: a file that is opened for writing grows to whatever size its header declares.
    return np.memmap(path, array.dtype, mode, array.offset, array.shape, "F" if np.isfortran(array) else "C")
