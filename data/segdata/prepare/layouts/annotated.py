"""Annotations of other tools as layouts: regions of images, and the masks of Hugging Face's folders."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from segdata.errors import InputError
from segdata.formats.reading.base import Annotated, ClassFound
from segdata.formats.reading.hugging_face import LAYOUT as HUGGING_FACE
from segdata.formats.reading.hugging_face import hugging_face_table
from segdata.formats.reading.open import readers
from segdata.labels import IGNORE_INDEX, LABEL_SPACES, LabelSpace
from segdata.prepare.pair import WHOLE, Alone, Drawing, Found, Pair, Splits
from segdata.text import short

IGNORE = "ignore"
"""The background without a class."""

_NAMED = 4  # classes that an error lists


def annotated_layouts(source: Path, space: LabelSpace, background: str) -> Iterator[Found | InputError]:
    """Yield each kind of annotations below `source`, in the classes of `space`, or why one cannot be used.

    `background` is the class of pixels in no region, or `IGNORE`.
    """
    for read in readers(source):
        try:
            yield _found(source, read(), space, background)
        except InputError as error:
            yield error


def _found(source: Path, annotated: Annotated, space: LabelSpace, background: str) -> Found:
    background_id = _background(background, space)
    if not annotated.images and not annotated.missing:
        raise InputError(f"{source}: {annotated.layout} annotations of no image; need one that was labelled")
    classes = _class_ids((region.of for image in annotated.images for region in image.regions), space, annotated.layout)
    splits: Splits = {}
    for image in annotated.images:
        drawing = Drawing(image, tuple(classes[region.of] for region in image.regions), background_id)
        splits.setdefault(image.split or WHOLE, []).append(
            Pair(image.name, image.image, image.file, "regions", drawing)
        )
    if annotated.images and not classes:
        raise InputError(f"{source}: {annotated.layout} annotations without any region; need polygons or masks")
    for split, pairs in splits.items():
        pairs.sort(key=lambda pair: pair.name)
        twice = next((one for one, other in pairwise(pairs) if one.name == other.name), None)
        if twice is not None:
            raise InputError(f"{twice.labels}: {split} has two images called {twice.name}; remove one")
    return Found(annotated.layout, splits, [Alone(file, short(name)) for file, name in annotated.missing])


def hugging_face(source: Path, space: LabelSpace) -> list[Found]:
    """Return what there is of such folders below `source`, for classes of `space`.

    Raises InputError if something in them is not as Hugging Face says, or `space` has no class of a name in them;
    ImportError for a Parquet file without pyarrow.
    """
    table = hugging_face_table(source)
    own = _with_ids_of(table.classes, space) if table.classes else None
    splits: Splits = {}
    for row in table.rows:
        pair = Pair(row.name, row.image, row.mask, "own ids" if own else "label ids", own_ids=own)
        splits.setdefault(row.split or WHOLE, []).append(pair)
    for pairs in splits.values():
        pairs.sort(key=lambda pair: pair.name)
    alone = [Alone(file, short(name)) for file, name in table.missing]
    return [Found(HUGGING_FACE, splits, alone, () if own else ("label ids", "colours"))] if splits or alone else []


def _with_ids_of(classes: tuple[ClassFound, ...], space: LabelSpace) -> LabelSpace:
    """Return `space` with the ids that the dataset has for the classes of its names."""
    found = _class_ids(classes, space, HUGGING_FACE)
    ids: list[list[int]] = [[] for _ in space.names]
    ignored: list[int] = []
    for one in classes:
        class_id = found[one]
        (ignored if class_id == IGNORE_INDEX else ids[class_id]).append(one.number or 0)
    return replace(
        space,
        name=f"{space.name} in this dataset's ids",
        label_ids=tuple(map(tuple, ids)),
        ignored_ids=tuple(ignored),
    )


def _class_ids(found: Iterable[ClassFound], space: LabelSpace, layout: str) -> dict[ClassFound, int]:
    """Return the class of `space` that each takes, or 255; raise InputError if one takes none.

    It is the one of its name or, in a label space of one's own, the one that takes its number.
    """
    counts = Counter(found)
    ids = {one: _class_of(one, space) for one in counts}
    strange = [one.name for one, _ in counts.most_common() if ids[one] is None]
    if strange:
        names = ", ".join(strange[:_NAMED])
        more = f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
        raise InputError(
            f"{layout} annotations of {names}{more}, not in {space.name}; seg-data classes SOURCE -o "
            "classes.toml makes a label space of them: give it, or one that takes their ids, as --label-space"
        )
    return {one: class_id for one, class_id in ids.items() if class_id is not None}


def _background(word: str, space: LabelSpace) -> int:
    if word == IGNORE:
        return IGNORE_INDEX
    if word not in space.names:
        raise InputError(f"got background {word!r}, need {IGNORE} or a class of {space.name}")
    return space.names.index(word)


def _class_of(found: ClassFound, space: LabelSpace) -> int | None:
    """Return the class of this name or, in a custom label space, the one with its number; None if there is none."""
    if found.name in space.names:  # "road" beside "Road"
        return space.names.index(found.name)
    names = {_plain(name): class_id for class_id, name in enumerate(space.names)}
    if (class_id := names.get(_plain(found.name))) is not None:
        return class_id
    if space.name in LABEL_SPACES or found.number is None:
        return None
    if found.number in space.ignored_ids:
        return IGNORE_INDEX
    return next((class_id for class_id, ids in enumerate(space.label_ids) if found.number in ids), None)


def _plain(name: str) -> str:
    """Return a name in the form that different spellings share: traffic_light, Traffic-Light."""
    return name.lower().replace("_", " ").replace("-", " ").strip()
