"""The names of the formats that labels are written in."""

from typing import Literal

DatasetFormat = Literal["png", "voc", "coco", "yolo", "cvat", "labelstudio", "labelme"]
"""What a dataset is written as: grey masks, Pascal VOC's, or as the tool of that name has it."""

MaskFormat = Literal["png", "rle", "polygons", "yolo", "labelstudio", "cvat"]
"""What seg-run writes into a folder: a PNG, COCO's run lengths or labelme's polygons a frame, or as the tool has it."""
