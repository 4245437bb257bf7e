"""Matches images and masks by their names and by VOC's lists."""

import re
from collections.abc import Iterator
from pathlib import Path

from segdata.errors import InputError
from segdata.images.image_file import IMAGE_SUFFIXES
from segdata.prepare.pair import split_named

_ENDING = re.compile(r"[_-][A-Za-z][A-Za-z0-9]*$")  # _L, _mask, _leftImg8bit; not a number, which tells frames apart


def is_image(name: str) -> bool:
    """Return whether a file of this name is a visible image."""
    return not name.startswith(".") and name.lower().endswith(IMAGE_SUFFIXES)


def images_by_name(folder: Path) -> dict[str, Path]:
    """Return the visible image files of `folder` by their names without suffix.

    Raises InputError if two have one name.
    """
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not is_image(file.name) or file.is_dir():
            continue
        if file.stem in files:
            raise InputError(f"{folder}: {files[file.stem].name} and {file.name} have one name; remove one of them")
        files[file.stem] = file
    return files


def voc_lists(folder: Path) -> dict[Path, list[str]]:
    """Return the lists of splits below `folder`, and the names in each, sorted; none where there are no such lists.

    A name with spaces stands in quotes, as CVAT writes it, or alone in its line.
    """
    lists = {}
    for file in sorted((folder / "ImageSets" / "Segmentation").glob("*.txt")):
        if split_named(file.stem) is not None and file.is_file():
            lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
            lists[file] = sorted({line.strip().strip('"') for line in lines if line.strip()})
    return lists


def matched(files: dict[str, Path], masks: dict[str, Path]) -> dict[str, tuple[Path, Path]]:
    """Return image and mask by the image's name: of equal names or, if there are none, of names with other endings.

    All images, or all masks, need the same ending (a_leftImg8bit and a_mask).
    """
    for images in _without_endings(files):
        for labels in _without_endings(masks):
            if both := images.keys() & labels.keys():
                return {images[name].stem: (images[name], labels[name]) for name in both}
    return {}


def _without_endings(files: dict[str, Path]) -> Iterator[dict[str, Path]]:
    """Yield `files`, then again for each ending that all names share, without it."""
    while files:
        yield files
        endings = {match[0] if (match := _ENDING.search(name)) else "" for name in files}
        if len(endings) > 1 or endings == {""}:
            return
        files = {name.removesuffix(*endings): file for name, file in files.items()}
