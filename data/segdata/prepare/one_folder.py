"""Masks in the folder of their images, by what their names end in: 7.jpg with 7_mask.png."""

import re
from collections import defaultdict
from pathlib import Path

from segdata.prepare.folders import folders_by_role, folders_with_images
from segdata.prepare.matching import images_by_name
from segdata.prepare.pair import WHOLE, Alone, Found, Pair, Splits, split_named

_MASK = re.compile(r"(.+)[_-](?:masks?|labels?|labelIds|seg|gt|annot|L|P)")


def one_folder(source: Path) -> list[Found]:
    """Return the pairs of `source` and of the folders in it that no name says to hold only images or only labels.

    Raises InputError if a folder with such names has two images of one name.
    """
    splits: Splits = defaultdict(list)
    alone: list[Alone] = []
    folders = folders_with_images(source)
    said = {folder.path for role in folders_by_role(folders) for there in role.values() for folder in there.values()}
    for place, folder in folders.items():
        if len(place) > 1 or folder in said or not any(_MASK.fullmatch(file.stem) for file in folder.iterdir()):
            continue
        files = images_by_name(folder)
        masks = {match[1]: file for name, file in files.items() if (match := _MASK.fullmatch(name))}
        images = {name: file for name, file in files.items() if file not in masks.values()}
        if images.keys() & masks.keys():
            split = split_named(place[0]) or place[0] if place else WHOLE
            both = sorted(images.keys() & masks.keys())
            splits[split] += [Pair(name, images[name], masks[name], "label ids") for name in both]
            alone += [Alone(images[name], f"{name}_mask") for name in sorted(images.keys() - masks.keys())]
            alone += [Alone(masks[name], name) for name in sorted(masks.keys() - images.keys())]
    return [Found("one folder", dict(splits), alone, ("label ids", "colours"))] if splits else []
