"""Label Studio's JSON: one list of tasks a split, with a brush a class."""

import json
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from segdata.formats.writing.base import GrowingFile, LabelledImage, LabelWriter, Place, write_file
from segdata.formats.writing.runs import class_runs, label_studio_code
from segdata.labels import LabelSpace, hexadecimal

_IMAGE, _BRUSH = "image", "tag"  # the names of the two tags of config.xml
LOCAL_FILES = "/data/local-files/?d="
"""What Label Studio calls files below its document root."""


class LabelStudioWriter(LabelWriter):
    """Writes SPLIT/tasks.json, SPLIT/images and config.xml, the labelling interface.

    Images are named as files below Label Studio's document root, which is the folder. What a network predicted is a
    prediction, other labels are annotations.
    """

    def __init__(self, place: Place, space: LabelSpace) -> None:
        super().__init__(place, space)
        self._inner = place.folder / place.split
        self._file = GrowingFile(self._inner / "tasks.json")
        self._count = 0

    def write(self, item: LabelledImage) -> None:
        """Add one image's task."""
        if not self._count:
            write_file(self._folder / "config.xml", _interface(self._space))
        self._write_image(self._inner / "images", item)
        self._file.write(f"{', ' if self._count else '['}\n{json.dumps(self._task(item))}")
        self._count += 1

    def finish(self) -> None:
        """Complete the file."""
        if self._count:
            self._file.write("]\n")
        self._file.finish()

    def discard(self) -> None:
        """Remove what was written of it."""
        self._file.discard()

    def _task(self, item: LabelledImage) -> dict[str, object]:
        found = [
            {
                "id": f"{self._count}-{runs.class_id}",
                "type": "brushlabels",
                "from_name": _BRUSH,
                "to_name": _IMAGE,
                "original_width": item.width,
                "original_height": item.height,
                "image_rotation": 0,
                "value": {
                    "format": "rle",
                    "rle": label_studio_code(runs.counts()),
                    "brushlabels": [self._space.names[runs.class_id]],
                },
            }
            for runs in class_runs(item.enlarged().ravel())
        ]
        path = f"{self._split}/images/{item.file_name}".lstrip("/")
        data = {_IMAGE: LOCAL_FILES + quote(path)}
        if not item.predicted:
            return {"data": data, "annotations": [{"result": found}]}
        score = {} if item.confidence is None else {"score": round(item.confidence, 5)}
        return {"data": data, "predictions": [{"model_version": "edgeseg", **score, "result": found}]}


def _interface(space: LabelSpace) -> str:
    view = Element("View")
    SubElement(view, "Image", {"name": _IMAGE, "value": f"${_IMAGE}", "zoom": "true", "zoomControl": "true"})
    brush = SubElement(view, "BrushLabels", {"name": _BRUSH, "toName": _IMAGE})
    for name, colour in zip(space.names, space.colours, strict=True):
        SubElement(brush, "Label", {"value": name, "background": hexadecimal(colour)})
    indent(view)
    return tostring(view, encoding="unicode") + "\n"
