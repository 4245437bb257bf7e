"""The videos of a list, a folder or a pattern, each with its path below their common root."""

import codecs
import glob
import os
from dataclasses import dataclass
from pathlib import Path

from segdata.errors import InputError
from segrun.sources.image import natural_order
from segrun.sources.video_file import SUFFIXES

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # how PowerShell's `dir > list.txt` begins

ROOT = "# root: "
"""The first line of a list may name the root that `{path}` is relative to."""


@dataclass(frozen=True)
class Video:
    """A video to do: its path, its path below the root without suffix, and its size in bytes (0 if missing)."""

    path: Path
    below: str
    size: int


@dataclass(frozen=True)
class VideoList:
    """Videos and the root above them; `named` if a list names each of them, not a folder or a pattern."""

    root: Path
    videos: tuple[Video, ...]
    named: bool = False


def find_videos(named: str) -> VideoList:
    """Return the videos that `named` means, in `natural_order` of their paths.

    A folder stands for all videos below it, a pattern (`clips/**/*.mp4`) for the files that match; any other file is a
    list, a path a line, from the list's folder where it is relative; empty lines and those that begin with # are left
    out. The root is the folder, the part of the pattern before its first wildcard, or what a line `# root: FOLDER` of
    the list says; without one the list's folder if all are below it, else the innermost folder above all.

    Raises InputError if there is no such list, or no video in it.
    """
    place = Path(named)
    if place.is_dir():
        root, paths = place, _below(place)
    elif place.is_file():
        root, paths = _listed(place)
    elif glob.has_magic(named):
        paths = [Path(found) for found in glob.glob(named, recursive=True) if Path(found).is_file()]  # noqa: PTH207
        fixed = next(index for index, part in enumerate(place.parts) if glob.has_magic(part))
        root = Path(*place.parts[:fixed])
    else:
        raise InputError(f"{named}: no such list, folder or pattern; need a file of paths, a folder, or 'clips/*.mp4'")
    if not paths:
        raise InputError(f"{named}: no videos there; need names that end in {', '.join(s[1:] for s in SUFFIXES)}")
    for path in paths:
        _check_name(path)
    ordered = sorted(set(paths), key=lambda path: natural_order(str(path)))
    videos = tuple(Video(path, _name(path, root), _size(path)) for path in ordered)
    return VideoList(root, videos, named=place.is_file())


def _below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]


def _listed(file: Path) -> tuple[Path, list[Path]]:
    try:
        content = file.read_bytes()
        encoding = "utf-16" if content.startswith(_UTF_16) else "utf-8-sig"
        lines = content.decode(encoding).split("\n")  # splitlines would also part names at U+2028
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read as a list ({error}); need a text file with a path a line") from None
    paths = [file.parent / line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if lines and lines[0].startswith(ROOT):
        root = file.parent / lines[0].removeprefix(ROOT).strip()
    elif all(_is_below(path, file.parent) for path in paths):
        root = file.parent
    else:
        root = Path(os.path.commonpath([_absolute(path).parent for path in paths]))
    for path in paths:
        if not _is_below(path, root):
            raise InputError(f"{file}: {path} is not below its root {root}; correct the line that begins with {ROOT!r}")
    return root, paths


def _is_below(path: Path, folder: Path) -> bool:
    return _absolute(path).is_relative_to(_absolute(folder))


def _name(path: Path, root: Path) -> str:
    return _absolute(path).relative_to(_absolute(root)).with_suffix("").as_posix()


def _absolute(path: Path) -> Path:
    """Return an absolute path without "..", which would lead a result out of its folder."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps ".."


def _check_name(path: Path) -> None:
    """Raise InputError for a name that no list of those that failed can hold, or no receipt."""
    name = str(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(f"the name {name!r} is not UTF-8, which receipts are written in; rename it") from None
    if not {"\n", "\r", "\0"}.isdisjoint(name):
        raise InputError(
            f"the name {name!r:.200} has a line break or a zero byte in it, which no list holds; rename it"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
