"""The receipt of a video that was done or failed: the last thing written.

Who finds a receipt whose outputs are there need not do the video again; no lock is needed between machines.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from segdata.errors import InputError
from segdata.text import first_problem
from segrun.fleet.staging import published, staging, written
from segrun.fleet.videos import Video
from segrun.options import RunOptions

_DECIDE = ("view", "alpha", "legend", "show_fps", "mask_values", "encoder", "audio", "start", "duration", "every")
"""The options that decide what a result is; how fast it comes is not among them."""


@checked_dataclass(frozen=True)
class Made:
    """A file, or a folder, that was written: its name, bytes, and SHA-256; of a folder, of its files in order."""

    path: str
    size: int
    sha256: str


@checked_dataclass(frozen=True)
class Receipt:
    """A video as it was done. `seconds` is wall time, `error` the line of what went wrong, "" if nothing did."""

    video: str
    key: str
    state: Literal["done", "failed"]
    outputs: tuple[Made, ...]
    frames_read: int
    frames_shown: int
    corrupt_packets: int
    seconds: float
    exit_code: int
    error: str
    host: str
    format: Literal[1] = 1

    def still_holds(self) -> bool:
        """Return whether it says "done" and all that was written is there, as large as it was."""
        return self.state == "done" and all(size_of(Path(made.path)) == made.size for made in self.outputs)


_RECEIPT = TypeAdapter(Receipt)  # once: to make one takes longer than to read a receipt


@dataclass(frozen=True)
class Receipts:
    """The folder of receipts of one list."""

    folder: Path

    def file(self, key: str) -> Path:
        """Return where the receipt of `key` is."""
        return self.folder / f"{key}.json"

    def read(self, key: str) -> Receipt | None:
        """Return the receipt of `key`, None if there is none; raise InputError if a file is there that is none."""
        path = self.file(key)
        if not path.exists():
            return None
        try:
            return _RECEIPT.validate_json(path.read_bytes())
        except ValidationError as error:
            raise InputError(f"{path}: not a receipt of seg-run ({first_problem(error)}); move it away") from None

    def write(self, receipt: Receipt) -> None:
        """Write a receipt, whole or not at all; raise InputError if it cannot be."""
        path = self.file(receipt.key)
        with written(path), staging(path) as folder:
            staged = folder / path.name
            staged.write_bytes(_RECEIPT.dump_json(receipt, indent=1) + b"\n")
            synced(staged)
            published(staged, path)


def key_of(video: Video, model_sha256: str, options: RunOptions) -> str:
    """Return what a result depends on, hashed: the video's path below the root, size and time, the model, the options.

    A video that is missing has a key, too: it gets a receipt that says so.
    """
    facts: list[object] = [video.below, video.path.suffix, model_sha256, options.outputs]
    with suppress(OSError):
        status = video.path.stat()
        facts += [status.st_size, status.st_mtime_ns]
    decide = {name: getattr(options, name) for name in _DECIDE}
    return hashlib.sha256(json.dumps([facts, decide]).encode()).hexdigest()[:32]


def made_of(path: Path) -> Made:
    """Return what a receipt says of a file or a folder."""
    digest = hashlib.sha256()
    for file in _files(path):
        if path.is_dir():
            digest.update(f"{file.relative_to(path).as_posix()}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return Made(str(path), size_of(path), digest.hexdigest())


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all in a folder; -1 if it is not there."""
    try:
        return sum(file.stat().st_size for file in _files(path))
    except OSError:
        return -1


def synced(path: Path) -> None:
    """Have a file, or each in a folder, on the disk and not only on its way there."""
    for file in _files(path):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
