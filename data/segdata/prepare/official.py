"""The layout that Cityscapes is delivered in: leftImg8bit/SPLIT/CITY and gtFine/SPLIT/CITY."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from segdata.prepare.pair import Alone, Encoding, Found, Pair, Splits, split_named

_IMAGES, _LABELS = "leftImg8bit", "gtFine"
_KINDS: tuple[tuple[str, Encoding], ...] = (
    ("labelIds", "label ids"),
    ("labelTrainIds", "train ids"),
    ("color", "colours"),
)
"""What a label file's name ends in, the most exact first."""


def official(source: Path) -> list[Found]:
    """Return what there is of the layout below `source`; nothing if one of its two folders is missing."""
    images, labels = source / _IMAGES, source / _LABELS
    if not images.is_dir() or not labels.is_dir():
        return []
    splits: Splits = defaultdict(list)
    alone: list[Alone] = []
    for split in visible(images.iterdir(), images):
        name = split_named(split.name) or split.name
        for image in visible(split.glob("*/*_leftImg8bit.png"), split):
            stem = image.name.removesuffix("_leftImg8bit.png")
            beside = labels / split.name / image.parent.name
            pair = _pair(stem, image, beside)
            if pair:
                splits[name].append(pair)
            else:
                alone.append(Alone(image, f"{beside.relative_to(source)}/{stem}_gtFine_labelIds.png"))
        for file in visible((labels / split.name).glob("*/*_gtFine_labelIds.png"), labels / split.name):
            stem = file.name.removesuffix("_gtFine_labelIds.png")
            image = split / file.parent.name / f"{stem}_leftImg8bit.png"
            if not image.is_file():
                alone.append(Alone(file, str(image.relative_to(source))))
    return [Found("official", dict(splits), alone)]


def _pair(stem: str, image: Path, folder: Path) -> Pair | None:
    for kind, encoding in _KINDS:
        labels = folder / f"{stem}_gtFine_{kind}.png"
        if labels.is_file():
            return Pair(stem, image, labels, encoding)
    return None


def visible(entries: Iterable[Path], below: Path) -> list[Path]:
    """Return `entries`, sorted, without what is hidden: below a folder or of a name that starts with a dot."""
    return sorted(path for path in entries if not any(part.startswith(".") for part in path.relative_to(below).parts))
