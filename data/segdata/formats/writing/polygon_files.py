"""Polygons in a file an image: YOLO's text beside data.yaml, and labelme's JSON."""

import json

from segdata.formats.writing.base import LabelledImage, LabelWriter, write_file
from segdata.formats.writing.outlines import outlines

_LABELME = "5.5.0"  # the version of labelme whose format is written


class YoloWriter(LabelWriter):
    """Writes labels/SPLIT/NAME.txt, images/SPLIT and data.yaml, which names the splits there are."""

    def write(self, item: LabelledImage) -> None:
        """Write one image's polygons: class id, then x and y of each corner as shares of width and height."""
        self._write_image(self._folder / "images" / self._split, item)
        size = (item.width, item.height)
        lines = [
            f"{class_id} {' '.join(f'{value:.6f}' for value in (polygon / size).ravel())}\n"
            for class_id, polygon in outlines(item.labels, item.height, item.width)
        ]
        write_file(self._folder / "labels" / self._split / f"{item.stem}.txt", "".join(lines))

    def finish(self) -> None:
        """Write data.yaml, if there was an image."""
        labels = self._folder / "labels"
        if not labels.is_dir():
            return
        splits = sorted(folder.name for folder in labels.iterdir() if folder.is_dir()) if self._split else []
        names = {split: f"images/{split}" for split in splits} or {"train": "images"}
        first = next(iter(names.values()))
        names = {"train": first, "val": first} | names  # Ultralytics wants both
        lines = [f"{split}: {json.dumps(folder)}" for split, folder in names.items()]
        lines += ["names:", *(f"  {index}: {json.dumps(name)}" for index, name in enumerate(self._space.names))]
        write_file(self._folder / "data.yaml", "\n".join(lines) + "\n")


class LabelmeWriter(LabelWriter):
    """Writes SPLIT/NAME.json beside SPLIT/NAME.jpg."""

    def write(self, item: LabelledImage) -> None:
        """Write one image's polygons."""
        folder = self._folder / self._split
        self._write_image(folder, item)
        shapes = [
            {
                "label": self._space.names[class_id],
                "points": polygon.tolist(),
                "group_id": None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
                "mask": None,
            }
            for class_id, polygon in outlines(item.labels, item.height, item.width)
        ]
        content: dict[str, object] = {
            "version": _LABELME,
            "flags": {},
            "shapes": shapes,
            "imagePath": item.file_name,
            "imageData": None,
            "imageHeight": item.height,
            "imageWidth": item.width,
        }
        write_file(folder / f"{item.stem}.json", json.dumps(content))
