"""The receipt of a video that was done or failed; it is written last.

A video that has a receipt and its outputs need not be done again; no lock is needed between machines.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from segdata.errors import InputError
from segdata.files import sha256_of
from segdata.text import first_problem
from segrun.fleet.staging import published, staging, written
from segrun.fleet.videos import Video
from segrun.options import RunOptions

DECIDE_NOTHING = (
    *("inputs", "listed", "receipts", "shard", "ray", "cpus_per_video", "together", "timeout", "reconnect", "raw"),
    *("model", "outputs", "trust", "runner", "arithmetic", "device", "window", "serve", "metrics", "token"),
)
"""The options that do not change a result: they say which videos, where to and how fast. The key has the model's
SHA-256 in place of `model`. All other options change the result.
"""


@checked_dataclass(frozen=True)
class Made:
    """A file or folder that was written: its name, its bytes, and the SHA-256 of the file, or of all files in order."""

    path: str
    size: int
    sha256: str


@checked_dataclass(frozen=True)
class Receipt:
    """How a video was done. `seconds` is wall time; `error` is the error line, "" if nothing went wrong."""

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
        """Return whether it says "done" and everything that was written is still there, with the same size."""
        return self.state == "done" and all(size_of(Path(made.path)) == made.size for made in self.outputs)


_RECEIPT = TypeAdapter(Receipt)  # once: making one takes longer than reading a receipt


@dataclass(frozen=True)
class Receipts:
    """The folder of receipts of one list."""

    folder: Path

    def file(self, key: str) -> Path:
        """Return where the receipt of `key` is."""
        return self.folder / f"{key}.json"

    def read(self, key: str) -> Receipt | None:
        """Return the receipt of `key`, None if there is none; raise InputError if the file there is not a receipt."""
        path = self.file(key)
        try:
            return _RECEIPT.validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error}); move it away") from None
        except ValidationError as error:
            raise InputError(f"{path}: not a receipt of seg-run ({first_problem(error)}); move it away") from None

    def write(self, receipt: Receipt) -> None:
        """Write a receipt, completely or not at all; raise InputError if it cannot be written."""
        path = self.file(receipt.key)
        with written(path), staging(path) as folder:
            staged = folder / path.name
            staged.write_bytes(_RECEIPT.dump_json(receipt, indent=1) + b"\n")
            synced(staged)
            published(staged, path)


@dataclass(frozen=True)
class Deciding:
    """What determines the results of all videos of a run: the model's identity, the outputs, and the options.

    `classes_sha256` is the hash of the file that `--classes` names, None without one.
    """

    model: str
    outputs: tuple[str, ...]
    options: Mapping[str, object]
    classes_sha256: str | None

    @classmethod
    def of(cls, model: str, options: RunOptions) -> "Deciding":
        """Return it for a run with these options; the file of classes is read."""
        deciding = {name: value for name, value in vars(options).items() if name not in DECIDE_NOTHING}
        file = Path(options.classes) if options.classes is not None else None
        return cls(model, options.outputs, deciding, sha256_of(file) if file and file.is_file() else None)


def key_of(video: Video, deciding: Deciding) -> str:
    """Return the hash of what a result depends on: the video's path below the root, size and time, and the options.

    A missing video also has a key: it gets a receipt that says so.
    """
    facts: list[object] = [video.below, video.path.suffix, deciding.model, deciding.outputs]
    with suppress(OSError):
        status = video.path.stat()
        facts += [status.st_size, status.st_mtime_ns]
    if deciding.classes_sha256 is not None:
        facts.append(deciding.classes_sha256)
    return hashlib.sha256(json.dumps([facts, deciding.options]).encode()).hexdigest()[:32]


def made_of(path: Path) -> Made:
    """Return the entry of a receipt for a file or a folder."""
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
    """Sync a file, or each file in a folder, to the disk."""
    for file in _files(path):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
