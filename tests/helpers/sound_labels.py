"""One small folder of labels of each kind that `seg-data` reads, to be damaged."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from helpers.hugging_face import write_parquet, write_table
from helpers.labelled_files import indexed, save
from segdata.convert import convert
from segdata.formats.writing.names import DatasetFormat
from segdata.images.size import Size
from segdata.labels import CITYSCAPES_29, LABEL_SPACES, LabelSpace
from segdata.options import ConvertOptions, SynthOptions
from segdata.synth.write import write_synthetic

FORMATS: tuple[DatasetFormat, ...] = ("coco", "yolo", "cvat", "labelstudio", "labelme", "voc")
HEIGHT, WIDTH = 48, 64

Array = npt.NDArray[np.uint8]

CVAT_SHAPES = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><labels>
<label><name>road</name><color>#804080</color><attributes><attribute><name>wet</name></attribute></attributes></label>
<label><name>car</name><color>#00008e</color></label></labels></task></meta>
<image id="0" name="0.png" subset="Train" width="64" height="48">
 <polygon label="road" occluded="0" points="0.00,24.00;64.00,24.00;64.00,48.00;0.00,48.00" z_order="0" group_id="1">
  <attribute name="wet">true</attribute></polygon>
 <box label="car" occluded="0" xtl="8.50" ytl="20.25" xbr="30.00" ybr="35.00" z_order="1" rotation="30.00"></box>
 <ellipse label="car" occluded="0" cx="48.00" cy="30.00" rx="9.00" ry="6.00" z_order="1" rotation="300.50"></ellipse>
 <mask label="road" occluded="0" rle="3, 5, 4" left="2" top="1" width="6" height="2" z_order="2"></mask>
 <polyline label="road" occluded="0" points="1.00,1.00;9.00,9.00" z_order="0"></polyline>
</image>
<image id="1" name="1.png" subset="Validation" width="64" height="48"></image>
</annotations>"""


def write_sound_labels(folder: Path) -> None:
    """Write scenes in the formats of other tools, and in the folders that datasets come in: a folder a kind."""
    write_synthetic(SynthOptions(target=folder / "scenes", train=2, val=2, size=Size(HEIGHT, WIDTH), seconds=0))
    for name in FORMATS:
        convert(ConvertOptions(source=folder / "scenes", target=folder / name, to=name))
    _write_tables(folder)
    _write_brushes(folder / "brushes")
    _write_polygons(folder / "polygons")
    _write_panoptic(folder / "panoptic")
    _write_shapes(folder / "shapes")
    _write_deliveries(folder)


def _photo(file: Path, value: int = 90) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), np.full((HEIGHT, WIDTH, 3), value, np.uint8))


def _write_json(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def _coco_head(name: str = "a.png") -> dict[str, Any]:
    images = [{"id": 7, "file_name": name, "height": HEIGHT, "width": WIDTH}]
    return {"images": images, "categories": [{"id": 3, "name": "road"}, {"id": 90, "name": "car"}]}


def _write_polygons(folder: Path) -> None:
    """Write COCO's other segmentations: polygons, a list of counts, and a crowd."""
    square = [[0.0, 24.0, 63.5, 24.0, 63.5, 47.0, 0.0, 47.0], [2.0, 2.0, 9.0, 2.0, 5.0, 9.0]]
    runs = {"size": [HEIGHT, WIDTH], "counts": [100, 30, 70, 40, HEIGHT * WIDTH - 240]}
    drawn = [(3, square, 0), (90, [[10.2, 20.1, 40.7, 20.1, 30.0, 40.0]], 0), (90, runs, 1)]
    annotations = [
        {"id": number, "image_id": 7, "category_id": category, "segmentation": shape, "iscrowd": crowd}
        for number, (category, shape, crowd) in enumerate(drawn, start=1)
    ]
    _photo(folder / "images/a.png")
    _write_json(folder / "instances_train.json", _coco_head() | {"annotations": annotations})


def _write_panoptic(folder: Path) -> None:
    segments = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    segments[24:, :, 0], segments[24:, 20:, 1] = 5, 1  # numbers 5 and 261
    save(folder / "annotations/panoptic_train/a.png", segments)
    info = [{"id": 5, "category_id": 3, "iscrowd": 0}, {"id": 261, "category_id": 90, "iscrowd": 0}]
    annotation = {"image_id": 7, "file_name": "a.png", "segments_info": info}
    _photo(folder / "train/a.jpg")
    _write_json(folder / "annotations/panoptic_train.json", _coco_head("a.jpg") | {"annotations": [annotation]})


def _write_shapes(folder: Path) -> None:
    for index in range(2):
        _photo(folder / f"images/{index}.png")
    (folder / "annotations.xml").write_text(CVAT_SHAPES)


def _write_brushes(folder: Path) -> None:
    """Write two images and their masks as Label Studio exports them as PNG."""
    tasks = [{"id": task, "image": f"/data/upload/1/0123abcd-{task}.png"} for task in (1, 2)]
    _write_json(folder / "tasks.json", tasks)
    for task in tasks:
        _photo(folder / f"{task['id']}.png", 0)
        for index, label in enumerate(("road", "sky")):
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[24 * index :] = 255
            save(folder / f"task-{task['id']}-annotation-1-by-1-tag-{label}-0.png", mask)


def _write_tables(folder: Path) -> None:
    """Write the scenes as Hugging Face's folders, with names of the ids that their masks have."""
    names = {ids[0]: name for ids, name in zip(CITYSCAPES_29.label_ids, CITYSCAPES_29.names, strict=True)}
    convert(ConvertOptions(source=folder / "scenes", target=folder / "ids", to="png"))
    images, masks = (sorted((folder / "ids" / kind).rglob("*.png")) for kind in ("images", "masks"))
    table = folder / "table"
    rows = []
    for index, (image, mask) in enumerate(zip(images, masks, strict=True)):
        rows.append({"image_file_name": f"{index}.png", "label_file_name": f"{index}_label.png"})
        table.mkdir(exist_ok=True)
        for file, name in zip((image, mask), rows[-1].values(), strict=True):
            shutil.copy(file, table / name)
    write_table(table, rows)
    stored = [(image.read_bytes(), mask.read_bytes()) for image, mask in zip(images, masks, strict=True)]
    write_parquet(folder / "parquet" / "train.parquet", stored)
    for made in (table, folder / "parquet"):
        (made / "id2label.json").write_text(json.dumps(names))


def _write_deliveries(folder: Path) -> None:
    """Write Mapillary Vistas, BDD100K and CamVid as they come."""
    vistas, bdd, camvid = (LABEL_SPACES[name] for name in ("mapillary-v1.2", "bdd100k", "camvid"))
    for split in ("training", "validation"):
        _photo(folder / f"vistas/{split}/images/{split}.jpg")
        save(folder / f"vistas/{split}/v1.2/labels/{split}.png", indexed(_stripes(vistas), vistas.palette()))
    for split in ("train", "val"):
        _photo(folder / f"bdd100k/images/10k/{split}/{split}.jpg")
        save(folder / f"bdd100k/labels/sem_seg/masks/{split}/{split}.png", _stripes(bdd))
        _photo(folder / f"camvid/{split}/0001TP.png")
        colours = camvid.palette()[np.arange(HEIGHT) // 8]
        save(folder / f"camvid/{split}_labels/0001TP_L.png", Image.fromarray(_across(colours)))


def _stripes(space: LabelSpace) -> Array:
    """Return the ids of the first classes, a stripe of eight rows each."""
    return _across(np.array([ids[0] for ids in space.label_ids], np.uint8)[np.arange(HEIGHT) // 8])


def _across(rows: Array) -> Array:
    return np.ascontiguousarray(rows[:, None].repeat(WIDTH, axis=1))
