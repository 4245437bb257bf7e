"""Recognises the annotations below a folder by the beginnings and ends of its files, and reads them."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from segdata.errors import InputError
from segdata.formats.reading.base import Annotated, ClassFound
from segdata.formats.reading.coco import read_coco
from segdata.formats.reading.cvat import is_cvat, read_cvat
from segdata.formats.reading.hugging_face import hugging_face_table
from segdata.formats.reading.images import Images, files_below
from segdata.formats.reading.label_studio import read_label_studio
from segdata.formats.reading.label_studio_png import is_brush_mask, read_label_studio_pngs
from segdata.formats.reading.labelme import read_labelme
from segdata.formats.reading.panoptic import read_panoptic
from segdata.formats.reading.yolo import is_yolo, read_yolo

_LOOKED_AT = 1 << 15  # bytes at each end of a file

Reader = Callable[[], Annotated]


def readers(source: Path) -> Iterator[Reader]:
    """Yield a reader of each kind of annotations that seems to be below `source`; readers raise InputError."""
    files = list(files_below(source))
    images = Images(source, files)
    kinds: dict[str, list[Path]] = {}
    for file in files:
        kind = _kind(file) if file.suffix.lower() in (".json", ".png", ".xml", ".yaml", ".yml") else None
        if kind is not None:
            kinds.setdefault(kind, []).append(file)
    for kind, read in (
        ("coco", read_coco),
        ("panoptic", read_panoptic),
        ("cvat", read_cvat),
        ("label studio", read_label_studio),
        ("labelme", read_labelme),
    ):
        if kind in kinds:
            yield partial(read, source, kinds[kind], images)
    if "brush masks" in kinds and "label studio" not in kinds:  # which has them, too, in their order
        yield partial(read_label_studio_pngs, source, kinds["brush masks"], images, kinds.get("tasks", []))
    for file in kinds.get("yolo", ()):
        yield partial(read_yolo, file)


def _kind(file: Path) -> str | None:
    """Return the kind of annotations a file seems to hold, None if it holds none."""
    if file.suffix.lower() in (".yaml", ".yml"):
        return "yolo" if is_yolo(file) else None
    if file.suffix.lower() == ".png":
        return "brush masks" if is_brush_mask(file) else None
    try:
        with file.open("rb") as stream:
            head = stream.read(_LOOKED_AT)
            stream.seek(max(0, file.stat().st_size - _LOOKED_AT))
            text = (head + stream.read()).decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    except OSError:  # reported when the images are read, or not one of ours
        return None
    if file.suffix.lower() == ".xml":
        return "cvat" if is_cvat(text) else None
    has = {word for word in _WORDS if f'"{word}"' in text}
    if text.startswith("["):
        if "data" in has and has & {"annotations", "completions", "predictions"}:
            return "label studio"
        return "tasks" if "id" in has else None
    if "shapes" in has and "imagePath" in has:
        return "labelme"
    if not has & {"images", "annotations", "categories"} or len(has & _OF_COCO) < 2:
        return None
    return "panoptic" if "segments_info" in has else "coco"


_OF_COCO = {"images", "annotations", "categories", "image_id", "category_id", "segments_info", "file_name"}
_WORDS = _OF_COCO | {"id", "data", "completions", "predictions", "shapes", "imagePath"}


def classes_of(source: Path) -> tuple[ClassFound, ...]:
    """Return the classes that the one kind of annotations below `source` names, or Hugging Face's dataset there.

    Raises InputError if there is none, or are two.
    """
    if source.is_dir() and (table := hugging_face_table(source)).classes:
        return table.classes
    found = list(readers(source)) if source.is_dir() else []
    if not source.exists():
        raise InputError(f"{source}: no such file or folder; need annotations of another tool")
    if len(found) != 1:
        raise InputError(
            f"{source}: {len(found)} kinds of annotations found, need one of COCO, YOLO, CVAT, Label Studio, labelme "
            "or Hugging Face with names (id2label.json)"
        )
    return found[0]().classes
