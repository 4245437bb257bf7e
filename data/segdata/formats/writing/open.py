"""The writer of each format."""

from segdata.formats.writing.base import LabelWriter
from segdata.formats.writing.coco import CocoImageWriter, CocoWriter
from segdata.formats.writing.cvat import CvatWriter
from segdata.formats.writing.label_studio import LabelStudioWriter
from segdata.formats.writing.masks import MaskWriter, VocWriter
from segdata.formats.writing.names import DatasetFormat, MaskFormat
from segdata.formats.writing.polygon_files import LabelmeWriter, YoloWriter

# A new one is a class, a line here and its name in `names`.
DATASETS: dict[DatasetFormat, type[LabelWriter]] = {
    "png": MaskWriter,
    "voc": VocWriter,
    "coco": CocoWriter,
    "yolo": YoloWriter,
    "cvat": CvatWriter,
    "labelstudio": LabelStudioWriter,
    "labelme": LabelmeWriter,
}

MASKS: dict[MaskFormat, type[LabelWriter]] = {
    "rle": CocoImageWriter,
    "polygons": LabelmeWriter,
    "yolo": YoloWriter,
    "labelstudio": LabelStudioWriter,
    "cvat": CvatWriter,
}
"""All but "png", which is a sink of its own: its masks may hold colours and confidences, too."""
