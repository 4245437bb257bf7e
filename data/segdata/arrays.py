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


def open_array(path: Path, mode: Literal["r", "r+"] = "r") -> Mapped:
    """Map a .npy file; raise OSError or ValueError if it is none.

    Unlike numpy.load it takes plain arrays alone: no archives, never a pickle.
    """
    array = np.lib.format.open_memmap(path, mode=mode)
    assert isinstance(array, np.memmap)
    return array
