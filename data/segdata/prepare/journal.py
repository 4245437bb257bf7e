"""Records what is done, frame by frame, so that an interrupted preparation resumes."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Annotated

from annotated_types import Ge, Lt
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

_FILE = "journal.jsonl"

_Pixels = Annotated[int, Ge(0), Lt(1 << 48)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Done:
    """One prepared frame.

    `class_pixels` has a list a size; `source_pixels` counts the classes before shrinking; `unknown` the pixels whose
    id or colour is no class, by value.
    """

    split: str
    index: int
    sha256: str
    class_pixels: tuple[tuple[_Pixels, ...], ...]
    source_pixels: tuple[_Pixels, ...]
    unknown: dict[str, _Pixels]


class Journal:
    """A line of JSON a frame, written after its pixels. The first line names the plan."""

    def __init__(self, folder: Path, plan_sha256: str, fits: Callable[[Done], bool] = lambda _: True) -> None:
        """Open the journal in `folder`; what was done there under another plan is removed.

        `fits` says whether a line can be of the plan: reading ends at the first that cannot. Raises OSError if the
        folder is a link: the files would be written elsewhere.
        """
        if folder.is_symlink():
            raise OSError(f"{folder} is a link, need a folder")
        self._path = folder / _FILE
        self.done = {} if _has_links(folder) else _read(self._path, plan_sha256, fits)
        if not self.done:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        # Written again, so that a line that a power cut left incomplete is gone.
        self._file = self._path.open("w", encoding="utf-8")
        self._write({"plan": plan_sha256})
        for frame in self.done.values():
            self._write(asdict(frame))

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, frame: Done) -> None:
        """Note that a frame's pixels are written."""
        self.done[frame.split, frame.index] = frame
        self._write(asdict(frame))

    def remove(self) -> None:
        """Delete the journal: all is done."""
        self._file.close()
        self._path.unlink()

    def _write(self, line: dict[str, object]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def _has_links(folder: Path) -> bool:
    return folder.is_dir() and any(path.is_symlink() for path in folder.rglob("*"))


def _read(path: Path, plan_sha256: str, fits: Callable[[Done], bool]) -> dict[tuple[str, int], Done]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or lines[0] != json.dumps({"plan": plan_sha256}):
        return {}
    adapter = TypeAdapter(Done)
    done = {}
    for line in lines[1:]:
        try:
            frame = adapter.validate_json(line)
        except ValidationError:  # the line that was being written when the power went
            break
        if not fits(frame):
            break
        done[frame.split, frame.index] = frame
    return done
