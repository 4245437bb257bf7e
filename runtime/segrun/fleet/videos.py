"""The videos of a list, a folder or a pattern, each with its path below their common root."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from segdata.errors import InputError
from segrun.sources.image import natural_order
from segrun.sources.video_file import SUFFIXES

ROOT = "# root: "
"""How a list may begin: the folder that `{path}` is below, where it is not the one that the paths share."""


@dataclass(frozen=True)
class Video:
    """A video to be done: where it is, its path below the root without a suffix, its size in bytes (0 if missing)."""

    path: Path
    below: str
    size: int


@dataclass(frozen=True)
class VideoList:
    """Videos, and the folder that all of them are below."""

    root: Path
    videos: tuple[Video, ...]


def find_videos(named: str) -> VideoList:
    """Return the videos that `named` means, in `natural_order` of their paths.

    A folder stands for all videos below it, a pattern (`clips/**/*.mp4`) for the files that match; any other file is a
    list, a path a line, from the list's folder where it is relative; empty lines and those that begin with # are left
    out. The root is the folder, the part of the pattern before its first wildcard, or what a line `# root: FOLDER` of
    the list says; without one the list's folder if all are below it, else the innermost folder that has all.

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
    ordered = sorted(set(paths), key=lambda path: natural_order(str(path)))
    return VideoList(root, tuple(Video(path, _name(path, root), _size(path)) for path in ordered))


def _below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]


def _listed(file: Path) -> tuple[Path, list[Path]]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read as a list ({error}); need a text file with a path a line") from None
    paths = [file.parent / line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if lines and lines[0].startswith(ROOT):
        root = file.parent / lines[0].removeprefix(ROOT).strip()
    elif all(_is_below(path, file.parent) for path in paths):
        root = file.parent
    else:
        root = Path(os.path.commonpath([path.absolute().parent for path in paths]))
    for path in paths:
        if not _is_below(path, root):
            raise InputError(f"{file}: {path} is not below its root {root}; correct the line that begins with {ROOT!r}")
    return root, paths


def _is_below(path: Path, folder: Path) -> bool:
    return path.absolute().is_relative_to(folder.absolute())


def _name(path: Path, root: Path) -> str:
    return path.absolute().relative_to(root.absolute()).with_suffix("").as_posix()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def twins(videos: Sequence[Video]) -> Iterator[tuple[Video, Video]]:
    """Yield each pair of videos whose results would have one name."""
    seen: dict[str, Video] = {}
    for video in videos:
        if video.below in seen:
            yield seen[video.below], video
        seen.setdefault(video.below, video)
