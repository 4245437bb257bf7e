"""Finds pairs of folders, one of images and one of labels, below a source, by their names alone.

A folder's name says what it holds (`images`, `ann_dir`), also after the name of a folder of images beside it
(`train`, `train_labels`). Two folders belong together if their paths differ in such names only. In the rest of the
path, the name that means a split (`train`, `valid`) is the split.
"""

import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from segdata.errors import InputError
from segdata.prepare.layouts.matching import images_by_name, is_image, matched, voc_lists
from segdata.prepare.pair import WHOLE, Alone, Found, Pair, Splits, split_named

IMAGE_FOLDER, LABEL_FOLDER = "leftImg", "labelIds"

_PARTNER = {
    "leftimg": LABEL_FOLDER, "images": "masks", "image": "masks", "imgs": "masks", "img": "masks",
    "img_dir": "ann_dir", "jpegimages": "SegmentationClass", "701_stillsraw_full": "LabeledApproved_full",
}  # fmt: skip
"""What folders of images are called, in lower case, and which labels to ask for where there are none."""
_LABELS = (
    *("labelids", "masks", "mask", "labels", "label", "ann_dir", "annotations", "annotation", "gt"),
    *("segmentationclass", "segmentationclasspng", "labeledapproved_full", "masks_machine"),
)
_LABELS_OF = re.compile(r"(.+?)[_-]?(annot|annotations?|labels?|masks?|gt)", re.IGNORECASE)  # trainannot, train_labels
_LAYOUT = {
    ("leftimg", "labelids"): "pairs",
    ("images", "masks"): "plain",
    ("jpegimages", "segmentationclass"): "VOC",
    ("jpegimages", "segmentationclasspng"): "VOC",
    ("701_stillsraw_full", "labeledapproved_full"): "CamVid",
    ("img", "masks_machine"): "Supervisely",
}
_DEEPEST = 6  # folders below the source

Place = tuple[str, ...]
"""The names of a folder and those above it, without the ones that say what it holds."""


@dataclass(frozen=True)
class Folder:
    """A folder whose name, or that of a folder above it, says what it holds."""

    path: Path
    before: int  # how many names of its place come before the one that says what it holds


Folders = dict[Place, dict[str, Folder]]
"""Folders by place, and there by the word that says what they hold, in lower case."""


def folders_with_images(source: Path) -> dict[Place, Path]:
    """Return the visible folders that have image files, at most 6 deep, by their names below `source`."""
    found = {}
    for where, names, files in os.walk(source, followlinks=True):
        folder = Path(where)
        place = folder.relative_to(source).parts
        above = folder.parents[: len(place)]
        if place and folder.resolve() in {
            parent.resolve() for parent in above
        }:  # a link that leads back to a folder above it
            names.clear()
            continue
        names[:] = sorted(name for name in names if not name.startswith(".")) if len(place) < _DEEPEST else []
        if any(is_image(name) for name in files):
            found[place] = folder
    return found


def two_folders(source: Path) -> list[Found]:
    """Return a candidate for each kind of folder names that there are pairs in; else those that have no partner.

    Raises InputError if a folder has two images of one name, or two folders mean one split.
    """
    images, labels = folders_by_role(folders_with_images(source))
    kinds = {(of, word) for place in images.keys() & labels.keys() for of in images[place] for word in labels[place]}
    if not kinds:
        kinds = {(of, _PARTNER[of].lower()) for found in images.values() for of in found}
        kinds |= {(_image_word(word), word) for found in labels.values() for word in found}
    return [_candidate(source, *kind, images, labels) for kind in sorted(kinds)]


def _image_word(label_word: str) -> str:
    return next((of for of, word in _PARTNER.items() if word.lower() == label_word), "images")


def folders_by_role(folders: dict[Place, Path]) -> tuple[Folders, Folders]:
    """Return the folders of images and those of labels. Images beside `train_labels` are of the word ""."""
    images: Folders = defaultdict(dict)
    labels: Folders = defaultdict(dict)
    for names, path in folders.items():
        lower = [name.lower() for name in names]
        said = [index for index, name in enumerate(lower) if name in _PARTNER or name in _LABELS]
        if said:
            place = tuple(name for index, name in enumerate(names) if index not in said)
            word = next((lower[index] for index in said if lower[index] in _LABELS), lower[said[0]])
            (labels if word in _LABELS else images)[place][word] = Folder(path, said[0])
            continue
        for index, name in enumerate(names):
            match = _LABELS_OF.fullmatch(name)
            place = (*names[:index], match[1], *names[index + 1 :]) if match else ()
            if match and place in folders:
                images[place][""] = Folder(folders[place], index + 1)
                labels[place][match[2].lower()] = Folder(path, index + 1)
    return images, labels


def _candidate(source: Path, of: str, word: str, images: Folders, labels: Folders) -> Found:
    layout = _LAYOUT.get((of, word), f"{of} and {word}" if of else "CamVid")
    splits: Splits = defaultdict(list)
    alone: list[Alone] = []
    places: dict[str, Place] = {}
    for place in sorted(images.keys() | labels.keys()):
        image, label = images.get(place, {}).get(of), labels.get(place, {}).get(word)
        if (there := image or label) is None:
            continue
        files, masks = (images_by_name(folder.path) if folder else {} for folder in (image, label))
        both = matched(files, masks)
        split, group = _split_and_group(place, there.before)
        if (other := places.setdefault(split, place))[: there.before] != place[: there.before]:
            raise InputError(f"{source}: {'/'.join(other)} and {'/'.join(place)} both mean {split}; need one")
        lists = voc_lists(image.path.parent) if image and layout == "VOC" else {}
        parts = [(split_named(file.stem) or "", there) for file, there in lists.items()] or [(split, sorted(both))]
        for part, names in parts:
            splits[part] += [Pair(group + name, *both[name], "label ids") for name in names if name in both]
        alone += [Alone(file, name) for file, there in lists.items() for name in there if name not in files]
        unlabelled = files.keys() - both.keys()
        if layout == "VOC":  # it has images for other tasks, too
            unlabelled &= {name for names in lists.values() for name in names}
        beside = _folder_name(source, label) or _instead(source, image, _PARTNER.get(of, word))
        alone += [Alone(files[name], f"{beside}/{name}") for name in unlabelled]
        used = {mask for _, mask in both.values()}
        beside = _folder_name(source, image) or _instead(source, label, IMAGE_FOLDER if of == "leftimg" else of)
        alone += [Alone(mask, f"{beside}/{name}") for name, mask in masks.items() if mask not in used]
    for split, pairs in splits.items():
        pairs.sort(key=lambda pair: pair.name)
        twice = next((name for name, count in Counter(pair.name for pair in pairs).items() if count > 1), None)
        if twice is not None:
            raise InputError(f"{source}: {split} has two frames called {twice}; rename one")
    return Found(layout, dict(splits), sorted(alone, key=lambda one: one.file), ("label ids", "colours"))


def _split_and_group(place: Place, before: int) -> tuple[str, str]:
    """Return the split that a place means, and what comes before the names of its frames: folders below the split."""
    for index, name in enumerate(place):
        if (split := split_named(name)) is not None:
            return split, "".join(f"{below}_" for below in place[index + 1 :])
    return place[before - 1] if before else WHOLE, "".join(f"{below}_" for below in place[before:])


def _folder_name(source: Path, folder: Folder | None) -> str | None:
    return folder.path.relative_to(source).as_posix() if folder else None


def _instead(source: Path, folder: Folder | None, word: str) -> str:
    """Return the folder that belongs beside `folder`: its path with `word` where its own name says what it holds."""
    parts = list(folder.path.relative_to(source).parts) if folder else [word]
    parts[folder.before if folder else 0] = word
    return "/".join(parts)
