"""Arrays on disk that are filled frame by frame."""

import os
from pathlib import Path

import numpy as np


def create_array(path: Path, shape: tuple[int, ...]) -> "np.memmap[tuple[int, ...], np.dtype[np.uint8]]":
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
    array = np.lib.format.open_memmap(path, mode="r+")
    assert isinstance(array, np.memmap)
    return array
