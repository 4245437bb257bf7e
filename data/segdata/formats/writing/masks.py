"""Masks as PNGs: grey ids in plain folders, and Pascal VOC's palette."""

import io
from dataclasses import replace

import cv2
import numpy as np
from PIL import Image

from segdata.formats.writing.base import GrowingFile, LabelledImage, LabelWriter, Place, write_file
from segdata.labels import IGNORE_INDEX, LabelMap, LabelSpace

_BORDER = (224, 224, 192)  # the colour of 255 in VOC's palette


class MaskWriter(LabelWriter):
    """Writes masks/SPLIT/NAME.png, 8-bit grey: the first of each class's ids, 255 for no class; and images/SPLIT."""

    def write(self, item: LabelledImage) -> None:
        """Write one image's mask."""
        self._write_image(self._folder / "images" / self._split, item)
        _, encoded = cv2.imencode(".png", as_ids(item.enlarged(), self._space))
        write_file(self._folder / "masks" / self._split / f"{item.stem}.png", encoded.tobytes())


class VocWriter(LabelWriter):
    """Writes SegmentationClass/NAME.png, JPEGImages and ImageSets/Segmentation/SPLIT.txt; labelmap.txt as CVAT does.

    A mask has ids as `MaskWriter`'s, and the classes' colours as its palette. All splits share the folders: an image
    whose name another split has becomes SPLIT_NAME.
    """

    def __init__(self, place: Place, space: LabelSpace) -> None:
        super().__init__(place, space)
        self._list = GrowingFile(place.folder / "ImageSets" / "Segmentation" / f"{place.split or 'default'}.txt")
        self._ignored = False
        self._palette = np.zeros((256, 3), np.uint8)
        for ids, colour in zip(space.label_ids, space.colours, strict=True):
            self._palette[ids[0]] = colour
        if not any(IGNORE_INDEX in ids for ids in space.label_ids):
            self._palette[IGNORE_INDEX] = _BORDER

    def write(self, item: LabelledImage) -> None:
        """Write one image's mask."""
        if (self._folder / "SegmentationClass" / f"{item.stem}.png").exists():
            item = replace(item, file_name=f"{self._split}_{item.file_name}")
        self._write_image(self._folder / "JPEGImages", item)
        labels = item.enlarged()
        self._ignored |= bool((labels == IGNORE_INDEX).any())
        mask = Image.fromarray(as_ids(labels, self._space))
        mask.putpalette(self._palette.ravel().tolist())
        content = io.BytesIO()
        mask.save(content, "PNG")
        write_file(self._folder / "SegmentationClass" / f"{item.stem}.png", content.getvalue())
        self._list.write(f'"{item.stem}"\n' if " " in item.stem else f"{item.stem}\n")  # as CVAT does

    def finish(self) -> None:
        """Complete the list of the split, and write the colours."""
        self._list.finish()
        rows = list(zip(self._space.names, self._space.colours, strict=True))
        if self._ignored:  # CVAT refuses colours that are not declared
            rows.append(("ignored", _BORDER))
        lines = ["# label:color_rgb:parts:actions", *(f"{name}:{','.join(map(str, rgb))}::" for name, rgb in rows)]
        write_file(self._folder / "labelmap.txt", "\n".join(lines) + "\n")

    def discard(self) -> None:
        """Remove the list."""
        self._list.discard()


def as_ids(labels: LabelMap, space: LabelSpace) -> LabelMap:
    """Return class ids, uint8 [H, W], as the first of the ids that stand for each class in masks of `space`."""
    table = np.full(256, IGNORE_INDEX, np.uint8)
    table[: space.class_count] = [ids[0] for ids in space.label_ids]
    return table[labels]
