"""Labels in other tools' formats: read as each tool documents it, every pixel has its class again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw
from pycocotools import mask as coco
from pycocotools.coco import COCO

from segdata.formats.writing.base import LabelledImage, Place
from segdata.formats.writing.coco import CocoFile, CocoImageWriter, document
from segdata.formats.writing.cvat import CvatWriter
from segdata.formats.writing.label_studio import LabelStudioWriter
from segdata.formats.writing.names import DatasetFormat
from segdata.formats.writing.open import DATASETS
from segdata.formats.writing.outlines import outlines
from segdata.formats.writing.runs import class_runs, coco_code, label_studio_code
from segdata.formats.writing.space import with_one_id_each, write_label_space
from segdata.images.resize import enlarge_labels
from segdata.labels import CITYSCAPES_29, IGNORE_INDEX, LabelMap, LabelSpace
from segdata.prepare.label_files import find_label_space
from segdata.synth import scene

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own

SPACE = LabelSpace("mine", ("way", "sign & <post>", "straße"), ((1, 2, 3), (200, 0, 0), (9, 9, 90)), ((7, 8), (9,), ()))
HEIGHT, WIDTH = 45, 70

Read = Callable[[Path, str], LabelMap]

some_labels = arrays(
    np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24)), elements=st.sampled_from([0, 1, 2, 255])
)


def street() -> LabelMap:
    """Labels of a network, smaller than the picture: all classes of `SPACE`, and pixels without a class."""
    parts = np.asarray(scene(3, 32, 40).labels) // 8
    return np.where(parts < 3, parts, IGNORE_INDEX).astype(np.uint8)


LABELS = street()


def filled(shape: tuple[int, int]) -> LabelMap:
    return np.full(shape, IGNORE_INDEX, np.uint8)


def by_centres(polygons: list[tuple[int, npt.NDArray[np.float64]]], shape: tuple[int, int]) -> LabelMap:
    """The labels that pycocotools makes of polygons, which must not overlap."""
    labels = filled(shape)
    for class_id, polygon in polygons:
        inside = coco.decode(coco.merge(coco.frPyObjects([polygon.ravel().tolist()], *shape))).astype(bool)
        assert (labels[inside] == IGNORE_INDEX).all()
        labels[inside] = class_id
    return labels


def by_pillow(polygons: list[tuple[int, npt.NDArray[np.float64]]], shape: tuple[int, int]) -> LabelMap:
    """The labels that labelme makes of polygons."""
    image = Image.fromarray(filled(shape))
    for class_id, polygon in polygons:
        ImageDraw.Draw(image).polygon([(x, y) for x, y in polygon.tolist()], fill=class_id, outline=class_id)
    return np.asarray(image)


def by_opencv(polygons: list[tuple[int, npt.NDArray[np.float64]]], shape: tuple[int, int]) -> LabelMap:
    """The labels that Ultralytics makes of polygons."""
    labels = filled(shape)
    for class_id, polygon in polygons:
        cv2.fillPoly(labels, [polygon.astype(np.int32)], class_id)
    return labels


@given(some_labels, st.integers(0, 20), st.integers(0, 20))
def test_polygons_are_the_same_pixels_to_every_tool(labels: LabelMap, more_rows: int, more_columns: int) -> None:
    shape = (labels.shape[0] + more_rows, labels.shape[1] + more_columns)
    polygons = list(outlines(labels, *shape))
    for tool in (by_centres, by_pillow, by_opencv):
        np.testing.assert_array_equal(tool(polygons, shape), enlarge_labels(labels, *shape))


def test_a_smaller_picture_has_the_polygons_of_its_own_pixels() -> None:
    labels = np.asarray(scene(3, 64, 64).labels)
    np.testing.assert_array_equal(by_centres(list(outlines(labels, 20, 30)), (20, 30)), enlarge_labels(labels, 20, 30))


def annotations(labels: LabelMap) -> list[dict[str, object]]:
    return document(LabelledImage("a.png", labels, *labels.shape), CITYSCAPES_29)["annotations"]


@given(arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40))).filter(np.any))
def test_run_lengths_are_those_of_coco(mask: npt.NDArray[np.bool_]) -> None:
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    (annotation,) = annotations(np.where(mask, np.uint8(5), np.uint8(IGNORE_INDEX)))
    segmentation: Any = annotation["segmentation"]
    assert segmentation["counts"] == theirs["counts"].decode()
    assert annotation["area"] == coco.area(theirs)
    assert annotation["bbox"] == coco.toBbox(theirs).tolist()


def test_a_large_mask_of_one_class_is_a_few_letters() -> None:
    (only,) = annotations(np.full((1000, 3000), 3, np.uint8))
    assert coco.decode(only["segmentation"]).sum() == 3_000_000
    assert len(str(only)) < 200


def unpacked(code: list[int]) -> npt.NDArray[np.uint8]:
    """The output of rle-pack's decoder: https://github.com/thi-ng/umbrella, packages/rle-pack."""
    bits = "".join(f"{byte:08b}" for byte in code)
    at = 0

    def read(count: int) -> int:
        nonlocal at
        at += count
        return int(bits[at - count : at], 2)

    length, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    out: list[int] = []
    while len(out) < length:
        same = read(1)
        count = read(sizes[read(2)]) + 1
        out += [read(word)] * count if same else [read(word) for _ in range(count)]
    return np.asarray(out, np.uint8)


@given(some_labels)
def test_label_studio_unpacks_the_brush(labels: LabelMap) -> None:
    for runs in class_runs(labels.ravel()):
        pixels = unpacked(label_studio_code(runs.counts())).reshape(*labels.shape, 4)
        for channel in range(4):
            np.testing.assert_array_equal(pixels[..., channel], (labels == runs.class_id) * 255)


def test_a_long_brush_is_cut_into_series() -> None:
    assert unpacked(label_studio_code([0, 40_000])).tolist() == [255] * 160_000
    assert coco_code([0, 40_000])


def from_coco(folder: Path, split: str) -> LabelMap:
    found = COCO(str(folder / "annotations" / f"instances_{split}.json"))
    (image,) = found.loadImgs(found.getImgIds())
    labels = filled((image["height"], image["width"]))
    for annotation in found.loadAnns(found.getAnnIds(imgIds=image["id"])):
        labels[found.annToMask(annotation).astype(bool)] = SPACE.names.index(
            found.cats[annotation["category_id"]]["name"]
        )
    return labels


def from_yolo(folder: Path, split: str) -> LabelMap:
    text = (folder / "data.yaml").read_text(encoding="utf-8")
    assert f'{split}: "images/{split}"' in text
    assert [json.loads(line.split(": ", 1)[1]) for line in text.split("names:\n")[1].splitlines()] == list(SPACE.names)
    polygons = []
    for line in (folder / "labels" / split / "street.txt").read_text().splitlines():
        class_id, *values = line.split()
        polygons.append((int(class_id), np.asarray(values, np.float64).reshape(-1, 2) * (WIDTH, HEIGHT)))
    return by_opencv(polygons, (HEIGHT, WIDTH))


def from_cvat(folder: Path, split: str) -> LabelMap:
    root = ElementTree.parse(folder / split / "annotations.xml").getroot()
    assert root.findtext("version") == "1.1"
    names = [label.findtext("name") for label in root.iterfind("meta/task/labels/label")]
    assert names == list(SPACE.names) == [label["name"] for label in json.loads((folder / "labels.json").read_text())]
    (image,) = root.iterfind("image")
    assert image.get("name") == "street.jpg"
    labels = filled((int(image.get("height", 0)), int(image.get("width", 0))))
    for mask in image.iterfind("mask"):
        left, top, width, height = (int(mask.get(side, "")) for side in ("left", "top", "width", "height"))
        counts = [int(count) for count in mask.get("rle", "").split(",")]
        inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
        labels[top : top + height, left : left + width][inside] = names.index(mask.get("label"))
    return labels


def from_label_studio(folder: Path, split: str) -> LabelMap:
    (task,) = json.loads((folder / split / "tasks.json").read_text())
    assert task["data"]["image"] == f"/data/local-files/?d={split}/images/street.jpg"
    config = ElementTree.parse(folder / "config.xml").getroot()
    assert [label.get("value") for label in config.iterfind("BrushLabels/Label")] == list(SPACE.names)
    labels = filled((HEIGHT, WIDTH))
    for result in task["annotations"][0]["result"]:
        assert (result["original_height"], result["original_width"]) == (HEIGHT, WIDTH)
        assert config.find(f"BrushLabels[@name='{result['from_name']}'][@toName='{result['to_name']}']") is not None
        alpha = unpacked(result["value"]["rle"]).reshape(HEIGHT, WIDTH, 4)[..., 3]
        labels[alpha > 0] = SPACE.names.index(result["value"]["brushlabels"][0])
    return labels


def from_labelme(folder: Path, split: str) -> LabelMap:
    content = json.loads((folder / split / "street.json").read_text())
    assert (folder / split / content["imagePath"]).read_bytes() == b"a photo"
    shapes = [(SPACE.names.index(shape["label"]), np.asarray(shape["points"])) for shape in content["shapes"]]
    return by_pillow(shapes, (content["imageHeight"], content["imageWidth"]))


def from_masks(mask: npt.NDArray[np.uint8]) -> LabelMap:
    space = with_one_id_each(SPACE)
    return space.lookup_from_label_ids()[mask]


def from_png(folder: Path, split: str) -> LabelMap:
    return from_masks(np.asarray(Image.open(folder / "masks" / split / "street.png")))


def from_voc(folder: Path, split: str) -> LabelMap:
    assert (folder / "ImageSets/Segmentation" / f"{split}.txt").read_text() == "street\n"
    declared = (folder / "labelmap.txt").read_text(encoding="utf-8").splitlines()
    assert "sign & <post>:200,0,0::" in declared
    mask = Image.open(folder / "SegmentationClass/street.png")
    present = {",".join(map(str, colour)) for colour in np.asarray(mask.convert("RGB")).reshape(-1, 3).tolist()}
    assert present <= {line.split(":")[1] for line in declared[1:]}
    labels = from_masks(np.asarray(mask))
    colours = np.asarray(mask.convert("RGB"))
    for class_id, colour in enumerate(SPACE.colours):
        assert (colours[labels == class_id] == colour).all()
    return labels


READERS: dict[DatasetFormat, Read] = {
    "png": from_png,
    "voc": from_voc,
    "coco": from_coco,
    "yolo": from_yolo,
    "cvat": from_cvat,
    "labelstudio": from_label_studio,
    "labelme": from_labelme,
}
IMAGES: dict[DatasetFormat, str] = {
    "voc": "JPEGImages",
    "cvat": "val/images",
    "labelstudio": "val/images",
    "labelme": "val",
}


def item(name: str = "street.jpg", predicted: bool = False) -> LabelledImage:
    return LabelledImage(name, LABELS, HEIGHT, WIDTH, b"a photo", predicted=predicted)


@pytest.mark.parametrize("name", DATASETS)
def test_a_tool_reads_the_pixels_that_were_written(name: DatasetFormat, tmp_path: Path) -> None:
    assert set(np.unique(LABELS)) == {0, 1, 2, IGNORE_INDEX}
    writer = DATASETS[name](Place(tmp_path, "val"), with_one_id_each(SPACE))
    writer.write(item())
    writer.finish()
    np.testing.assert_array_equal(READERS[name](tmp_path, "val"), enlarge_labels(LABELS, HEIGHT, WIDTH))
    assert (tmp_path / IMAGES.get(name, "images/val") / "street.jpg").read_bytes() == b"a photo"


@pytest.mark.parametrize("name", DATASETS)
def test_nothing_half_stays_of_what_was_abandoned(name: DatasetFormat, tmp_path: Path) -> None:
    writer = DATASETS[name](Place(tmp_path, "val"), with_one_id_each(SPACE))
    for number in range(3):
        writer.write(item(f"{number}.jpg"))
    writer.discard()
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".") or path.name == "tasks.json"]
    assert not list(tmp_path.rglob("annotations.xml")) + list(tmp_path.rglob("instances_*"))


@pytest.mark.parametrize("polygons", [False, True])
def test_many_images_are_one_file_of_coco(polygons: bool, tmp_path: Path) -> None:
    file = CocoFile(tmp_path / "all.coco.json", CITYSCAPES_29, polygons=polygons)
    truth = [np.asarray(scene(seed, 40, 60).labels) for seed in range(3)]
    for number, labels in enumerate(truth):
        file.write(LabelledImage(f"{number}.jpg", labels, 40, 60))
    assert not (tmp_path / "all.coco.json").exists()
    file.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["all.coco.json"]
    found = COCO(str(tmp_path / "all.coco.json"))
    assert len(found.anns) == len(found.dataset["annotations"])  # no id twice
    for number, labels in enumerate(truth):
        (image,) = (image for image in found.dataset["images"] if image["file_name"] == f"{number}.jpg")
        again = filled((40, 60))
        for annotation in found.imgToAnns[image["id"]]:
            assert isinstance(annotation["segmentation"], list) is polygons
            again[found.annToMask(annotation).astype(bool)] = annotation["category_id"] - 1
        np.testing.assert_array_equal(again, labels)


def test_a_file_of_each_image_is_coco_by_itself(tmp_path: Path) -> None:
    writer = CocoImageWriter(Place(tmp_path), SPACE)
    writer.write(item())
    found = COCO(str(tmp_path / "street.json"))
    assert [image["file_name"] for image in found.dataset["images"]] == ["street.jpg"]
    assert len(found.anns) == 3


def test_what_a_network_predicted_is_to_be_looked_at(tmp_path: Path) -> None:
    for kind in (LabelStudioWriter, CvatWriter):
        writer = kind(Place(tmp_path), SPACE)
        writer.write(item(predicted=True))
        writer.finish()
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    assert "annotations" not in task
    assert len(task["predictions"]) == 1
    sources = {mask.get("source") for mask in ElementTree.parse(tmp_path / "annotations.xml").iterfind(".//mask")}
    assert sources == {"auto"}


def test_the_classes_are_read_again(tmp_path: Path) -> None:
    space = with_one_id_each(SPACE)
    assert space.label_ids == ((7,), (9,), (0,))
    assert find_label_space(str(write_label_space(tmp_path, space))) == space
    assert write_label_space(tmp_path, CITYSCAPES_29) is None
