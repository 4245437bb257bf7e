"""The folders that datasets come in: Cityscapes, and Mapillary Vistas and BDD100K, which hold other labels, too.

Sources: Datumaro's page on the format of Mapillary Vistas; https://doc.bdd100k.com/download.html, and for `seg` what
code that reads the archive of 2018 expects.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from segdata.errors import InputError
from segdata.labels import CITYSCAPES, LABEL_SPACES, LabelSpace
from segdata.prepare.layouts.matching import images_by_name
from segdata.prepare.pair import Alone, Encoding, Found, Pair, Splits, split_named


@dataclass(frozen=True)
class _Delivery:
    """Where the images and label files of a dataset are, the star being the split, and the space of its ids.

    `ending` is what the names of label files add to those of images.
    """

    layout: str
    space: str
    images: str
    labels: str
    ending: str = ""

    def encoding(self, space: LabelSpace) -> Encoding | None:
        """Return how its label files are read in `space`; None if that is a built-in space with other ids."""
        if space.name == self.space or space.name not in LABEL_SPACES:
            return "label ids"
        return "train ids" if self.space == "bdd100k" and space.name in CITYSCAPES else None


_DELIVERIES = (
    _Delivery("Mapillary Vistas v1.2", "mapillary-v1.2", "*/images", "*/v1.2/labels"),
    _Delivery("Mapillary Vistas v2.0", "mapillary-v2.0", "*/images", "*/v2.0/labels"),
    _Delivery("BDD100K", "bdd100k", "images/10k/*", "labels/sem_seg/masks/*"),
    _Delivery("BDD100K", "bdd100k", "seg/images/*", "seg/labels/*", "_train_id"),
)
_BELOW = (".", "bdd100k")  # as BDD100K's archives are unpacked

_OFFICIAL_KINDS: tuple[tuple[str, Encoding], ...] = (
    ("labelIds", "label ids"),
    ("labelTrainIds", "train ids"),
    ("color", "colours"),
)
"""What the name of a label file of Cityscapes ends in, the most exact first."""


def delivered(source: Path, space: LabelSpace) -> list[Found]:
    """Return the files of Mapillary Vistas and BDD100K below `source`; of Mapillary's versions, that of `space`.

    Raises InputError if there is a layout, but `space` is that of another dataset.
    """
    there = [
        (delivery, source / root) for root in _BELOW for delivery in _DELIVERIES if _splits(source / root, delivery)
    ]
    readable = [(delivery, root, encoding) for delivery, root in there if (encoding := delivery.encoding(space))]
    if there and not readable:
        layouts = " or ".join(dict.fromkeys(delivery.layout for delivery, _ in there))
        spaces = " or ".join(dict.fromkeys(delivery.space for delivery, _ in there))
        raise InputError(
            f"{source}: {layouts}, whose ids are not those of {space.name}; give --label-space {spaces}, or a file of "
            "your own"
        )
    return [_found(*one) for one in readable]


def _splits(root: Path, delivery: _Delivery) -> dict[str, Path]:
    """Return the folders of labels by the name that each split has there."""
    place = delivery.labels.split("/").index("*")
    folders = {folder.relative_to(root).parts[place]: folder for folder in sorted(root.glob(delivery.labels))}
    return {name: folder for name, folder in folders.items() if folder.is_dir() and not name.startswith(".")}


def _found(delivery: _Delivery, root: Path, encoding: Encoding) -> Found:
    splits: Splits = {}
    alone: list[Alone] = []
    for name, folder in _splits(root, delivery).items():
        beside = root / delivery.images.replace("*", name)
        images = images_by_name(beside)
        labels = {stem.removesuffix(delivery.ending): file for stem, file in images_by_name(folder).items()}
        both = sorted(images.keys() & labels.keys())
        splits[split_named(name) or name] = [Pair(stem, images[stem], labels[stem], encoding) for stem in both]
        alone += [Alone(images[stem], f"{folder}/{stem}{delivery.ending}") for stem in images.keys() - labels.keys()]
        alone += [Alone(labels[stem], f"{beside}/{stem}") for stem in labels.keys() - images.keys()]
    return Found(delivery.layout, splits, sorted(alone, key=lambda one: one.file))


def official(source: Path) -> list[Found]:
    """Return what there is below `source` of leftImg8bit/SPLIT/CITY and gtFine/SPLIT/CITY, as Cityscapes has them.

    Nothing if one of the two folders is missing.
    """
    images, labels = source / "leftImg8bit", source / "gtFine"
    if not images.is_dir() or not labels.is_dir():
        return []
    splits: Splits = defaultdict(list)
    alone: list[Alone] = []
    for split in _visible(images.iterdir(), images):
        name = split_named(split.name) or split.name
        for image in _visible(split.glob("*/*_leftImg8bit.png"), split):
            stem = image.name.removesuffix("_leftImg8bit.png")
            beside = labels / split.name / image.parent.name
            pair = _official_pair(stem, image, beside)
            if pair:
                splits[name].append(pair)
            else:
                alone.append(Alone(image, f"{beside.relative_to(source)}/{stem}_gtFine_labelIds.png"))
        for file in _visible((labels / split.name).glob("*/*_gtFine_labelIds.png"), labels / split.name):
            stem = file.name.removesuffix("_gtFine_labelIds.png")
            image = split / file.parent.name / f"{stem}_leftImg8bit.png"
            if not image.is_file():
                alone.append(Alone(file, str(image.relative_to(source))))
    return [Found("official", dict(splits), alone)]


def _official_pair(stem: str, image: Path, folder: Path) -> Pair | None:
    for kind, encoding in _OFFICIAL_KINDS:
        labels = folder / f"{stem}_gtFine_{kind}.png"
        if labels.is_file():
            return Pair(stem, image, labels, encoding)
    return None


def _visible(entries: Iterable[Path], below: Path) -> list[Path]:
    """Return `entries`, sorted, without hidden ones: those whose name, or a folder's above them, starts with a dot."""
    return sorted(path for path in entries if not any(part.startswith(".") for part in path.relative_to(below).parts))
