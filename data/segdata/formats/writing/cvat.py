"""CVAT for images 1.1: one XML file a split, with a mask a class."""

import json
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from segdata.formats.writing.base import GrowingFile, LabelledImage, LabelWriter, Place, write_file
from segdata.formats.writing.runs import box, class_runs, cvat_counts
from segdata.labels import LabelSpace, hexadecimal


class CvatWriter(LabelWriter):
    """Writes SPLIT/annotations.xml, SPLIT/images and labels.json, which is pasted into a task's raw labels."""

    def __init__(self, place: Place, space: LabelSpace) -> None:
        super().__init__(place, space)
        self._inner = place.folder / place.split
        self._file = GrowingFile(self._inner / "annotations.xml")
        self._count = 0

    def write(self, item: LabelledImage) -> None:
        """Add one image and its masks."""
        if not self._count:
            write_file(self._folder / "labels.json", _raw_labels(self._space))
            self._file.write(f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n{self._head()}')
        self._write_image(self._inner / "images", item)
        self._file.write(_text(self._image(item)))
        self._count += 1

    def finish(self) -> None:
        """Complete the file."""
        if self._count:
            self._file.write("</annotations>\n")
        self._file.finish()

    def discard(self) -> None:
        """Remove what was written of it."""
        self._file.discard()

    def _head(self) -> str:
        meta = Element("meta")
        labels = SubElement(SubElement(meta, "task"), "labels")
        for name, colour in zip(self._space.names, self._space.colours, strict=True):
            label = SubElement(labels, "label")
            for key, text in (("name", name), ("color", hexadecimal(colour)), ("type", "any")):
                SubElement(label, key).text = text
            SubElement(label, "attributes")
        return f"  <version>1.1</version>\n{_text(meta)}"

    def _image(self, item: LabelledImage) -> Element:
        size = {"width": str(item.width), "height": str(item.height)}
        image = Element("image", {"id": str(self._count), "name": item.file_name, **size})
        labels = item.enlarged()
        for runs in class_runs(labels.ravel(order="F")):
            left, top, width, height = box(runs, item.height)
            SubElement(
                image,
                "mask",
                {
                    "label": self._space.names[runs.class_id],
                    "source": "auto" if item.predicted else "manual",
                    "occluded": "0",
                    "rle": ", ".join(map(str, cvat_counts(labels, runs.class_id, left, top, width, height))),
                    "left": str(left),
                    "top": str(top),
                    "width": str(width),
                    "height": str(height),
                    "z_order": "0",
                },
            )
        return image


def _raw_labels(space: LabelSpace) -> str:
    labels = [
        {"name": name, "color": hexadecimal(colour), "attributes": []}
        for name, colour in zip(space.names, space.colours, strict=True)
    ]
    return json.dumps(labels, indent=1)


def _text(element: Element) -> str:
    indent(element, level=1)
    return f"  {tostring(element, encoding='unicode')}\n"
