"""Images that hold their labels in their right half."""

from pathlib import Path

from segdata.prepare.folders import folders_with_images, holds_by_name, images_by_name
from segdata.prepare.pair import WHOLE, Found, Pair, Splits, split_named

LAYOUT = "side by side"


def side_by_side(source: Path) -> list[Found]:
    """Return the images of `source` and of the folders in it that no name says to hold only images or only labels.

    Raises InputError if a folder has two images of one name.
    """
    splits: Splits = {}
    for place, folder in folders_with_images(source).items():
        if len(place) > 1 or any(map(holds_by_name, place)):
            continue
        split = split_named(place[0]) or place[0] if place else WHOLE
        files = images_by_name(folder)
        splits.setdefault(split, []).extend(
            Pair(name, files[name], files[name], "right half") for name in sorted(files)
        )
    return [Found(LAYOUT, splits, [])] if splits else []
