"""The layouts of labelled images on disk that edgeseg recognises by itself."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segdata.errors import InputError

Encoding = Literal["colours", "label ids", "train ids", "right half"]
"""What the label file holds: colours; the label space's ids; Cityscapes trainIds; or colours beside the image."""

Splits = dict[str, list["Pair"]]
"""Pairs by split name, each split sorted by frame name."""

SUFFIXES = (".jpg", ".jpeg", ".png")
WHOLE = "all"
"""The name of the one split of a source that has no splits of its own."""

IMAGE_FOLDER, LABEL_FOLDER = "leftImg", "labelIds"
PLAIN_IMAGES, PLAIN_MASKS = "images", "masks"


@dataclass(frozen=True)
class Pair:
    """One frame and its labels on disk; side by side, both are one file."""

    name: str
    image: Path
    labels: Path
    encoding: Encoding


@dataclass(frozen=True)
class Alone:
    """An image without its labels, or labels without their image."""

    file: Path
    lacks: str


@dataclass(frozen=True)
class Found:
    """What a layout found below a folder."""

    layout: str
    splits: Splits
    alone: list[Alone]


def find_layout(source: Path) -> Found:
    """Return the one layout that `source` has.

    Raises InputError if it has none or two, or if a folder has two images of one name (0001.jpg and 0001.png).
    """
    if not source.is_dir():
        raise InputError(f"{source}: no such folder; need one with labelled images (see seg-data prepare --help)")
    found = [layout for find in _FINDERS if (layout := find(source)) and (any(layout.splits.values()) or layout.alone)]
    if not found:
        raise InputError(
            f"{source}: no labelled images found; need leftImg8bit/ and gtFine/, SPLIT/leftImg/ and SPLIT/labelIds/, "
            "SPLIT/ of side-by-side images, or images/ and masks/"
        )
    if len(found) > 1:
        names = " and ".join(layout.layout for layout in found)
        raise InputError(f"{source}: has the layouts {names}; need one: move the other out")
    return found[0]


def find_pairs(source: Path) -> Splits:
    """Return the pairs of `source` by split; raise InputError if it has no layout, or if a file stands alone."""
    found = find_layout(source)
    if found.alone:
        first = found.alone[0]
        raise InputError(
            f"{source}: {len(found.alone)} files without their pair, the first is {first.file}; "
            f"add {first.lacks} or remove it"
        )
    return found.splits


def _official(source: Path) -> Found | None:
    images, labels = source / "leftImg8bit", source / "gtFine"
    if not images.is_dir() or not labels.is_dir():
        return None
    splits: Splits = {}
    alone: list[Alone] = []
    for split in _folders(images):
        pairs = []
        for image in _visible(split.glob("*/*_leftImg8bit.png"), split):
            stem = image.name.removesuffix("_leftImg8bit.png")
            beside = labels / split.name / image.parent.name
            pair = _official_pair(stem, image, beside)
            if pair:
                pairs.append(pair)
            else:
                alone.append(Alone(image, f"{beside.relative_to(source)}/{stem}_gtFine_labelIds.png"))
        splits[split.name] = pairs
        for file in _visible((labels / split.name).glob("*/*_gtFine_labelIds.png"), labels / split.name):
            stem = file.name.removesuffix("_gtFine_labelIds.png")
            image = split / file.parent.name / f"{stem}_leftImg8bit.png"
            if not image.is_file():
                alone.append(Alone(file, str(image.relative_to(source))))
    return Found("official", splits, alone)


def _official_pair(stem: str, image: Path, folder: Path) -> Pair | None:
    kinds: tuple[tuple[str, Encoding], ...] = (
        ("labelIds", "label ids"),
        ("labelTrainIds", "train ids"),
        ("color", "colours"),
    )
    for suffix, encoding in kinds:
        labels = folder / f"{stem}_gtFine_{suffix}.png"
        if labels.is_file():
            return Pair(stem, image, labels, encoding)
    return None


def _pairs(source: Path) -> Found | None:
    return _two_folders("pairs", source, IMAGE_FOLDER, LABEL_FOLDER, "colours", _folders(source))


def _plain(source: Path) -> Found | None:
    return _two_folders("plain", source, PLAIN_IMAGES, PLAIN_MASKS, "label ids", [source, *_folders(source)])


def _two_folders(
    layout: str, source: Path, image_folder: str, label_folder: str, encoding: Encoding, places: list[Path]
) -> Found | None:
    splits: Splits = {}
    alone: list[Alone] = []
    for place in places:
        if not (place / image_folder).is_dir() and not (place / label_folder).is_dir():
            continue
        images, labels = _images_by_name(place / image_folder), _images_by_name(place / label_folder)
        alone += [Alone(images[name], f"{label_folder}/{name}") for name in sorted(images.keys() - labels.keys())]
        alone += [Alone(labels[name], f"{image_folder}/{name}") for name in sorted(labels.keys() - images.keys())]
        both = sorted(images.keys() & labels.keys())
        split = WHOLE if place == source else place.name
        splits[split] = [Pair(name, images[name], labels[name], encoding) for name in both]
    return Found(layout, splits, alone) if splits else None


def _side_by_side(source: Path) -> Found | None:
    splits: Splits = {}
    for place in [source, *_folders(source)]:
        if place != source and place.name in (PLAIN_IMAGES, PLAIN_MASKS):
            continue
        files = _images_by_name(place)
        if files:
            split = WHOLE if place == source else place.name
            splits[split] = [Pair(name, files[name], files[name], "right half") for name in sorted(files)]
    return Found("side by side", splits, []) if splits else None


_FINDERS: tuple[Callable[[Path], Found | None], ...] = (_official, _pairs, _side_by_side, _plain)


def _folders(place: Path) -> list[Path]:
    return [entry for entry in _visible(place.iterdir(), place) if entry.is_dir()]


def _images_by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    files: dict[str, Path] = {}
    for file in _visible(folder.iterdir(), folder):
        if file.suffix.lower() not in SUFFIXES or file.is_dir():
            continue
        if file.stem in files:
            raise InputError(f"{folder}: {files[file.stem].name} and {file.name} have one name; remove one of them")
        files[file.stem] = file
    return files


def _visible(entries: Iterable[Path], below: Path) -> list[Path]:
    """Return `entries`, sorted, without what is hidden: below a folder or of a name that starts with a dot."""
    return sorted(path for path in entries if not any(part.startswith(".") for part in path.relative_to(below).parts))
