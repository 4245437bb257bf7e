"""What takes seconds to make is made once for all processes that run the tests."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder `name` with what `make` writes there, called by whoever comes first; it is not to be changed.

    `make` gets an empty folder. If it fails, the next one who comes tries anew.
    """
    base = factory.getbasetemp()
    # pytest-xdist has a folder for each of its workers in the one of the run.
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, made = base / name, base / f"{name}.made"
    with FileLock(base / f"{name}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder
