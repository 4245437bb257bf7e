"""What is done already, frame by frame, so that an interrupted preparation goes on where it stopped."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

_FILE = "journal.jsonl"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Done:
    """One prepared frame.

    `class_pixels` has a list a size; `source_pixels` counts the classes before shrinking; `unknown` the pixels whose
    id or colour is no class, by value.
    """

    split: str
    index: int
    sha256: str
    class_pixels: tuple[tuple[int, ...], ...]
    source_pixels: tuple[int, ...]
    unknown: dict[str, int]


class Journal:
    """A line of JSON a frame, written after its pixels. The first line names the plan."""

    def __init__(self, folder: Path, plan_sha256: str) -> None:
        """Open the journal in `folder`; what was done there under another plan is removed."""
        self._path = folder / _FILE
        self.done = _read(self._path, plan_sha256)
        if not self.done:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        # Written anew, so that a line which a power cut left half written is gone.
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


def _read(path: Path, plan_sha256: str) -> dict[tuple[str, int], Done]:
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
        done[frame.split, frame.index] = frame
    return done
