"""Hidden folders in which results are written until they are complete, and cleaning up after killed processes."""

import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from segdata.errors import InputError
from segdata.files import move_onto

_PREFIX = ".seg-run-"
_LOCK = ".lock"
_FORGOTTEN = 24 * 3600  # seconds after which folders of other machines are taken for dead


@contextmanager
def written(target: Path) -> Iterator[None]:
    """Turn an OSError raised in the block, which writes under a hidden name, into an InputError that names `target`."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}; choose another place") from error


@contextmanager
def staging(beside: Path) -> Iterator[Path]:
    """Yield a new hidden folder next to `beside`, on the same disk, which is removed after the block.

    Its name is unique to machine, process and try, and a lock says that its process lives. Raises InputError if it
    cannot be made.
    """
    with written(beside):
        folder, lock = _claimed(beside.parent)
    try:
        yield folder
    finally:
        lock.close()
        shutil.rmtree(folder, ignore_errors=True)


def _claimed(parent: Path) -> tuple[Path, BinaryIO]:
    """Make a hidden folder and lock it; try again if it is removed before it is locked."""
    while True:
        folder = parent / f"{_PREFIX}{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(8)}"
        folder.mkdir(parents=True)
        with suppress(FileNotFoundError):
            lock = (folder / _LOCK).open("wb")
            if _locked(lock.fileno()) is not False and os.fstat(lock.fileno()).st_nlink:
                return folder, lock
            lock.close()


def sweep(folders: Iterable[Path]) -> None:
    """Remove the hidden folders in `folders` whose process is dead; on other machines, a day old counts as dead."""
    own = f"{_PREFIX}{socket.gethostname()}-"
    for folder in set(folders):
        for left in folder.glob(f"{_PREFIX}*"):
            with suppress(OSError):
                if left.name.startswith(own):
                    _remove_if_dead(left)
                elif _age(left) > _FORGOTTEN:
                    shutil.rmtree(left, ignore_errors=True)


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _remove_if_dead(folder: Path) -> None:
    """Remove a folder that nobody locks: unlike process numbers, locks hold across containers.

    The lock is held until the folder is gone, so that a process that is about to take it notices.
    """
    try:
        with (folder / _LOCK).open("rb") as lock:
            if _locked(lock.fileno()):
                shutil.rmtree(folder, ignore_errors=True)
    except FileNotFoundError:  # killed before there was a lock, or just made
        if _age(folder) > 1:
            folder.rmdir()  # rmdir leaves the folder if there is a lock by now


def _locked(descriptor: int) -> bool | None:
    """Lock a file until it is closed; False if another process has it, None if the system or the disk has no locks."""
    try:
        import fcntl
    except ImportError:  # Windows: only age counts there
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def published(staged: Path, target: Path) -> None:
    """Move a complete file or folder to `target`; raise InputError if that cannot be done."""
    with written(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    move_onto(target, staged)
    with suppress(OSError):  # not every file system can sync a folder
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
