"""COCO's JSON: one file a split, with a mask a class in run-length code, or polygons."""

import json
from collections.abc import Iterator
from pathlib import Path

from segdata.formats.writing.base import GrowingFile, LabelledImage, LabelWriter, Place, write_file
from segdata.formats.writing.outlines import outlines
from segdata.formats.writing.runs import Runs, box, class_runs, coco_code
from segdata.labels import LabelSpace

FIRST_CATEGORY = 1
"""The number of the first class: to Datumaro, and so to CVAT, 0 is the background."""


class CocoWriter(LabelWriter):
    """Writes annotations/instances_SPLIT.json and images/SPLIT; `category_id` is the class id and one."""

    def __init__(self, place: Place, space: LabelSpace) -> None:
        super().__init__(place, space)
        self._file = CocoFile(place.folder / "annotations" / f"instances_{place.split or 'default'}.json", space)

    def write(self, item: LabelledImage) -> None:
        """Add one image and its annotations."""
        self._write_image(self._folder / "images" / self._split, item)
        self._file.write(item)

    def finish(self) -> None:
        """Complete the file."""
        self._file.finish()

    def discard(self) -> None:
        """Remove what was written of it."""
        self._file.discard()


class CocoFile:
    """A COCO file that grows image by image; the list of images is kept in a second file until the end."""

    def __init__(self, target: Path, space: LabelSpace, polygons: bool = False) -> None:
        """Prepare to write `target`, with polygons or run lengths."""
        self._space, self._polygons = space, polygons
        self._annotations = GrowingFile(target)
        self._images = GrowingFile(target.with_name(f"{target.stem}.images{target.suffix}"))
        self._image_count = self._annotation_count = 0

    def write(self, item: LabelledImage) -> None:
        """Add one image and its annotations; raise InputError if they cannot be written."""
        if not self._image_count:
            self._annotations.write('{"annotations": [')
        self._image_count += 1
        image = json.dumps(_image(item, self._image_count))
        self._images.write(f"{', ' if self._image_count > 1 else ''}\n{image}")
        make = _polygon_annotations if self._polygons else _mask_annotations
        for annotation in make(item, self._image_count, self._annotation_count + 1):
            self._annotations.write(f"{', ' if self._annotation_count else ''}\n{json.dumps(annotation)}")
            self._annotation_count += 1

    def finish(self) -> None:
        """Move the file into place, if there was an image; raise InputError if it cannot be completed."""
        if not self._image_count:
            return
        try:
            self._annotations.write(f'],\n"categories": {json.dumps(categories(self._space))},\n"images": [')
            for piece in self._images.written():
                self._annotations.write(piece)
            self._annotations.write("]}\n")
            self._annotations.finish()
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what is not in place yet."""
        self._images.discard()
        self._annotations.discard()


class CocoImageWriter(LabelWriter):
    """Writes SPLIT/NAME.json: COCO's JSON of that image alone."""

    def write(self, item: LabelledImage) -> None:
        """Write one image's masks."""
        folder = self._folder / self._split
        self._write_image(folder, item)
        write_file(folder / f"{item.stem}.json", json.dumps(document(item, self._space)))


def document(item: LabelledImage, space: LabelSpace, image_id: int = 1) -> dict[str, list[dict[str, object]]]:
    """Return COCO's JSON of one image, ready for `json.dump`: images, categories and one annotation a class."""
    return {
        "images": [_image(item, image_id)],
        "categories": categories(space),
        "annotations": _mask_annotations(item, image_id),
    }


def _image(item: LabelledImage, image_id: int) -> dict[str, object]:
    return {"id": image_id, "file_name": item.file_name, "height": item.height, "width": item.width}


def categories(space: LabelSpace) -> list[dict[str, object]]:
    """Return COCO's list of the classes; colours are RGB, as in COCO panoptic."""
    return [
        {"id": category_id, "name": name, "supercategory": "", "color": list(colour), "isthing": 0}
        for category_id, (name, colour) in enumerate(zip(space.names, space.colours, strict=True), FIRST_CATEGORY)
    ]


def _mask_annotations(item: LabelledImage, image_id: int, first_id: int = 1) -> list[dict[str, object]]:
    """Return one annotation for each class of an image, with ids from `first_id`.

    `segmentation` is {"size": [H, W], "counts": text}, as pycocotools reads it.
    """
    size = [item.height, item.width]
    return [
        _annotation(item, runs, image_id, number, {"size": size, "counts": coco_code(runs.counts())})
        for number, runs in _classes(item, first_id)
    ]


def _polygon_annotations(item: LabelledImage, image_id: int, first_id: int = 1) -> list[dict[str, object]]:
    """Return one annotation for each class of an image, with ids from `first_id` and a polygon a connected part."""
    parts: dict[int, list[list[float]]] = {}
    for class_id, polygon in outlines(item.labels, item.height, item.width):
        parts.setdefault(class_id, []).append(polygon.ravel().tolist())
    return [
        _annotation(item, runs, image_id, number, parts[runs.class_id]) for number, runs in _classes(item, first_id)
    ]


def _classes(item: LabelledImage, first_id: int) -> Iterator[tuple[int, Runs]]:
    """Yield the runs of each class of an image, column by column, numbered from `first_id`."""
    return enumerate(class_runs(item.enlarged().ravel(order="F")), start=first_id)


def _annotation(item: LabelledImage, runs: Runs, image_id: int, number: int, segmentation: object) -> dict[str, object]:
    """Return one annotation: `category_id` is the class id and one, `bbox` [x, y, width, height], `area` in pixels."""
    return {
        "id": number,
        "image_id": image_id,
        "category_id": FIRST_CATEGORY + runs.class_id,
        "segmentation": segmentation,
        "area": runs.area,
        "bbox": list(box(runs, item.height)),
        "iscrowd": 0,
    }
