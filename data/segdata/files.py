"""Writes files so that an interrupted run leaves the last good one."""

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segdata.errors import InputError


@contextmanager
def on_disk(target: Path) -> Iterator[None]:
    """Turn any OSError of the block into an InputError that says that `target` cannot be written, and why.

    An error about another file names that file: the block may read while it writes.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        elsewhere = _elsewhere(error, target)
        if elsewhere is not None:
            raise InputError(f"{elsewhere}: cannot be read ({reason}); make it readable, or name another") from error
        raise InputError(f"cannot write {target}: {reason}; choose another place") from error


def _elsewhere(error: OSError, target: Path) -> Path | None:
    """Return the file that an error names; None if it names none, or one that belongs to `target`."""
    if not isinstance(error.filename, str | bytes | Path):
        return None
    named, wanted = Path(os.fsdecode(error.filename)).absolute(), target.absolute()
    hidden = f".{wanted.stem}"  # where it is written until it is complete
    beside = any(path.parent == wanted.parent and path.name.startswith(hidden) for path in (named, *named.parents))
    return None if beside or named == wanted or wanted in named.parents or named in wanted.parents else named


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`, of the same suffix, and move it onto `target` if the block ends well.

    The block may write a file or a folder there. On any exception, Ctrl-C among them, what it wrote is removed and
    `target` is as it was. An existing folder is only replaced by a folder. Raises InputError if `target` cannot be
    written.
    """
    temporary = temporary_beside(target)
    try:
        with on_disk(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            move_onto(target, temporary)
    finally:
        remove(temporary)


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder inside `folder`, for files that are moved to their places once all of them are good.

    What is left in it at the end of the block, however that ends, is removed. Raises InputError if it cannot be made.
    """
    with on_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(prefix=".edgeseg.", dir=folder))
    try:
        yield hidden
    finally:
        remove(hidden)


def temporary_beside(target: Path) -> Path:
    """Return where `target` is written until it is complete: a hidden name beside it, of the same suffix.

    Every call returns another, which no other process uses, on this machine or another, and no killed one left behind.
    """
    return target.with_name(f".{target.stem}.{secrets.token_hex(8)}{target.suffix}")


def move_onto(target: Path, temporary: Path) -> None:
    """Move a complete file or folder onto `target`; a folder takes the place of an existing one.

    A folder that was there is set aside and removed last: at no moment are both lost. Raises InputError if the move
    cannot be done; `target` is as it was then, and `temporary` is removed.
    """
    aside = temporary_beside(target)
    try:
        with on_disk(target):
            if temporary.is_dir() and target.is_dir():
                target.replace(aside)
            try:
                temporary.replace(target)
            except BaseException:
                if os.path.lexists(aside):
                    aside.replace(target)
                raise
    finally:
        remove(temporary)
    remove(aside)


def remove(path: Path) -> None:
    """Remove the file or folder at `path`, if there is one."""
    if not os.path.lexists(path):
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
