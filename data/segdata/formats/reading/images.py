"""Finds the image file that annotations name, below one folder and nowhere else."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from segdata.errors import InputError
from segdata.images.image_file import IMAGE_SUFFIXES

_DEEPEST = 6  # folders below the source


def files_below(source: Path) -> Iterator[Path]:
    """Yield the visible files at most 6 folders below `source`, sorted in each folder."""
    for where, names, files in os.walk(source):
        folder = Path(where)
        depth = len(folder.relative_to(source).parts)
        names[:] = sorted(name for name in names if not name.startswith(".")) if depth < _DEEPEST else []
        paths = (folder / name for name in sorted(files) if not name.startswith("."))
        yield from (path for path in paths if path.is_file())  # no pipe or device, which would be read for ever


class Images:
    """The image files below a folder, by their names."""

    def __init__(self, source: Path, files: list[Path]) -> None:
        """Take the images among `files`, which are below `source`."""
        self._source = source
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for file in files:
            if file.suffix.lower() in IMAGE_SUFFIXES:
                self._by_name[_composed(file.name)].append(file)
                self._by_stem[_composed(file.stem)].append(file)

    def find(self, name: object, of: Path, split: str = "") -> Path | None:
        """Return the image that `of`, a file of annotations, names; None if there is none.

        Of several files of one name it is the one with most of the name's folders, then the one beside `of`, then the
        one in a folder of the split. A name may come without a suffix, as CVAT's frames of a video do. Raises
        InputError if the name leads out of the folder, or several are left.
        """
        if not isinstance(name, str) or not name or "\0" in name:
            raise InputError(f"{of}: an image without a name")
        parts = PurePosixPath(name.replace("\\", "/")).parts
        inside = os.path.normpath(of.parent.relative_to(self._source).joinpath(*parts))
        wanted = [part for part in parts if part not in (".", "..")]
        if not wanted:
            raise InputError(f"{of}: an image without a name")
        if parts[0].startswith("/") or parts[0].endswith(":") or inside.startswith(".."):
            raise InputError(f"{of}: the image name {name[:80]!r} leads out of {self._source}; need one below it")
        last = _composed(wanted[-1])
        by_stem = self._by_stem if not last.lower().endswith(IMAGE_SUFFIXES) else {}
        there = self._by_name.get(last) or by_stem.get(last, [])
        ranked = sorted((self._rank(file, wanted, of, split), file) for file in there)
        if not ranked:
            return None
        best = [file for rank, file in ranked if rank == ranked[-1][0]]
        if len(best) > 1:
            raise InputError(f"{of}: {wanted[-1]} may be {best[0]} or {best[1]}; remove one, or name its folder")
        return best[0]

    def called(self, stem: str) -> Path | None:
        """Return the one image of this name, whatever its suffix; None if there is none, or are several."""
        there = self._by_stem.get(_composed(stem), [])
        return there[0] if len(there) == 1 else None

    @staticmethod
    def _rank(file: Path, wanted: list[str], of: Path, split: str) -> tuple[int, bool, bool]:
        common = 1  # the file's own name
        for theirs, ours in zip(reversed(file.parts[:-1]), reversed(wanted[:-1]), strict=False):
            if _composed(theirs) != _composed(ours):
                break
            common += 1
        named = bool(split) and any(part.lower().rstrip("0123456789").startswith(split) for part in file.parts[:-1])
        return common, of.parent in file.parents, named


def _composed(name: str) -> str:
    """Return a name with its accents in one letter each: macOS and Linux write them in two ways."""
    return unicodedata.normalize("NFC", name)


def frame_name(name: str) -> str:
    """Return a frame's name: the image's without the suffix of an image, with its folders."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.suffix.lower() in IMAGE_SUFFIXES:  # frame.0001 has another
        path = path.with_suffix("")
    return "_".join(part for part in path.parts if part not in (".", "..", "/"))
