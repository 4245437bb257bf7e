"""Hidden folders in which results grow until they are whole, and what becomes of those that a killed process left."""

import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from segdata.errors import InputError
from segdata.files import move_onto

_PREFIX = ".seg-run-"
_LOCK = ".lock"
_FORGOTTEN = 24 * 3600  # seconds after which what another machine left is taken for dead


@contextmanager
def written(target: Path) -> Iterator[None]:
    """Turn an OSError of the block, which writes under a hidden name, into an InputError that names `target`."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}; choose another place") from error


@contextmanager
def staging(beside: Path) -> Iterator[Path]:
    """Give a new hidden folder next to `beside`, on the same disk, which is removed after the block.

    Its name is unique to machine, process and try, and a lock says that its process lives. Raises InputError if the
    disk does not take it.
    """
    folder = beside.parent / f"{_PREFIX}{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(8)}"
    with written(beside):
        folder.mkdir(parents=True)
        lock = (folder / _LOCK).open("wb")
    try:
        _locked(lock.fileno())
        yield folder
    finally:
        lock.close()
        shutil.rmtree(folder, ignore_errors=True)


def sweep(folders: Iterable[Path]) -> None:
    """Remove the hidden folders in `folders` whose process is dead; for other machines', a day old is dead."""
    own = f"{_PREFIX}{socket.gethostname()}-"
    for folder in set(folders):
        for left in folder.glob(f"{_PREFIX}*"):
            with suppress(OSError):
                if _is_free(left / _LOCK) if left.name.startswith(own) else _age(left) > _FORGOTTEN:
                    shutil.rmtree(left, ignore_errors=True)


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _is_free(lock: Path) -> bool:
    """Return whether nobody holds the lock: unlike a process number, it says so from one container to another."""
    try:
        with lock.open("rb") as file:
            return _locked(file.fileno())
    except FileNotFoundError:  # killed before there was one, or just made
        return _age(lock.parent) > 1


def _locked(descriptor: int) -> bool:
    """Lock a file until it is closed; return whether that could be done."""
    try:
        import fcntl
    except ImportError:  # Windows: only age counts there
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def published(staged: Path, target: Path) -> None:
    """Move a whole file or folder to `target`; raise InputError if that cannot be done."""
    with written(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    move_onto(target, staged)
    with suppress(OSError):  # not every disk can say that a name is on it
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
