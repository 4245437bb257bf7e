"""Images that hold their labels in their right half."""

from pathlib import Path

from segdata.prepare.folders import folders_by_role, folders_with_images
from segdata.prepare.matching import images_by_name
from segdata.prepare.pair import WHOLE, Found, Pair, Splits, split_named

LAYOUT = "side by side"


def side_by_side(source: Path) -> list[Found]:
    """Return the images of `source` and of the folders in it that no name says to hold only images or only labels.

    Raises InputError if a folder has two images of one name.
    """
    splits: Splits = {}
    folders = folders_with_images(source)
    said = {folder.path for role in folders_by_role(folders) for there in role.values() for folder in there.values()}
    for place, folder in folders.items():
        if len(place) > 1 or folder in said:
            continue
        split = split_named(place[0]) or place[0] if place else WHOLE
        files = images_by_name(folder)
        splits.setdefault(split, []).extend(
            Pair(name, files[name], files[name], "right half") for name in sorted(files)
        )
    return [Found(LAYOUT, splits, [])] if splits else []
