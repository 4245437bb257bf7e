"""Images of one size, and annotations of three classes, for tests of what other tools write."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segdata.labels import LabelSpace
from segdata.prepare.labels.reading import read_pair
from segdata.prepare.layouts.find import find_layout

Labels = npt.NDArray[np.uint8]

HEIGHT, WIDTH = 48, 64
SPACE = LabelSpace("three", ("road", "car", "traffic light"), ((1, 1, 1), (2, 2, 2), (3, 3, 3)), ((11,), (12,), (13,)))
CATEGORIES: list[dict[str, Any]] = [
    {"id": 11, "name": "road"}, {"id": 12, "name": "Car"}, {"id": 13, "name": "traffic_light"}
]  # fmt: skip
SQUARE = [0.0, 0.0, 20.0, 0.0, 20.0, 20.0, 0.0, 20.0]


def image_file(path: Path) -> None:
    """Write a photo."""
    path.parent.mkdir(parents=True, exist_ok=True)
    photo = np.random.default_rng(len(path.name)).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    assert cv2.imwrite(str(path), photo)


def write_json(path: Path, content: object) -> None:
    """Write JSON, and the folders it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def only_labels(source: Path, background: str = "ignore") -> Labels:
    """Return the labels, uint8 [48, 64], of the one image below a folder."""
    (pair,) = find_layout(source, SPACE, background=background).pairs
    return read_pair(pair, SPACE).labels


def coco_file(annotations: list[dict[str, Any]]) -> dict[str, Any]:
    """Return COCO's JSON of a.png with these annotations."""
    images = [{"id": 7, "file_name": "a.png", "height": HEIGHT, "width": WIDTH}]
    numbered = [{"id": index, "image_id": 7, "iscrowd": 0} | one for index, one in enumerate(annotations, start=1)]
    return {"images": images, "annotations": numbered, "categories": deepcopy(CATEGORIES)}
