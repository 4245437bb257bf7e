"""Images and labels in one folder: 7.jpg with 7_mask.png, or side by side in one image."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from segdata.prepare.layouts.folders import folders_by_role, folders_with_images
from segdata.prepare.layouts.matching import images_by_name
from segdata.prepare.pair import WHOLE, Alone, Found, Pair, Splits, split_named

SIDE_BY_SIDE = "side by side"
"""The layout of images that hold their labels in their right half."""

_MASK = re.compile(r"(.+)[_-](?:masks?|labels?|labelIds|seg|gt|annot|L|P)")


def one_folder(source: Path) -> list[Found]:
    """Return the pairs of `source` and of the folders in it, by what the names of masks end in.

    Raises InputError if a folder with such names has two images of one name.
    """
    splits: Splits = defaultdict(list)
    alone: list[Alone] = []
    for split, folder in _folders(source):
        if not any(_MASK.fullmatch(file.stem) for file in folder.iterdir()):
            continue
        files = images_by_name(folder)
        masks = {match[1]: file for name, file in files.items() if (match := _MASK.fullmatch(name))}
        images = {name: file for name, file in files.items() if file not in masks.values()}
        if images.keys() & masks.keys():
            both = sorted(images.keys() & masks.keys())
            splits[split] += [Pair(name, images[name], masks[name], "label ids") for name in both]
            alone += [Alone(images[name], f"{name}_mask") for name in sorted(images.keys() - masks.keys())]
            alone += [Alone(masks[name], name) for name in sorted(masks.keys() - images.keys())]
    return [Found("one folder", dict(splits), alone, ("label ids", "colours"))] if splits else []


def side_by_side(source: Path) -> list[Found]:
    """Return the images of `source` and of the folders in it, each with its labels in its right half.

    Raises InputError if a folder has two images of one name.
    """
    splits: Splits = defaultdict(list)
    for split, folder in _folders(source):
        files = images_by_name(folder)
        splits[split] += [Pair(name, files[name], files[name], "right half") for name in sorted(files)]
    return [Found(SIDE_BY_SIDE, dict(splits), [])] if splits else []


def _folders(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield `source` and the folders in it that no name says to hold only images or only labels, with their splits."""
    folders = folders_with_images(source)
    said = {folder.path for role in folders_by_role(folders) for there in role.values() for folder in there.values()}
    for place, folder in folders.items():
        if len(place) <= 1 and folder not in said:
            yield (split_named(place[0]) or place[0] if place else WHOLE), folder
