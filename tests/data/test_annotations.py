"""Annotations of other tools become labels: the same pixels as their own tools make, or one line of error."""

import base64
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from helpers.annotated import CATEGORIES, HEIGHT, SPACE, SQUARE, WIDTH, coco_file, image_file, only_labels, write_json
from helpers.images import read_image
from segdata.classes import write_classes
from segdata.labels import IGNORE_INDEX, LabelSpace
from segdata.options import CheckOptions, ClassesOptions
from segdata.prepare.check import check
from segdata.prepare.label_files import find_label_space
from segdata.prepare.labels.reading import read_pair
from segdata.prepare.layouts.find import find_layout

# pycocotools' own `decode`, to which the truth is owed, is older than NumPy 2's word for a copy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Refused = Callable[..., AbstractContextManager[None]]


def random_polygons(seed: int, count: int) -> list[list[float]]:
    """Polygons of all kinds: many cross themselves, and reach out of the image."""
    random = np.random.default_rng(seed)
    size = np.asarray([WIDTH, HEIGHT])
    corners = (random.uniform(-0.2, 1.2, (number, 2)) * size for number in random.integers(3, 12, count))
    return [polygon.ravel().round(2).tolist() for polygon in corners]


@pytest.mark.parametrize("seed", range(5))
def test_coco_instances_are_pycocotools_pixels(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    for polygon in random_polygons(seed, 12):
        annotations.append({"category_id": int(random.integers(11, 14)), "segmentation": [polygon]})
    annotations[0]["segmentation"] += random_polygons(seed + 100, 2)
    blob = np.asfortranarray(random.random((HEIGHT, WIDTH)) > 0.7, np.uint8)
    code = coco_mask.encode(blob)
    compressed = {"size": [HEIGHT, WIDTH], "counts": code["counts"].decode()}
    annotations.append({"category_id": 12, "segmentation": compressed})
    counts = [0, 30, 100, 7, HEIGHT * WIDTH - 137]
    annotations.append({"category_id": 13, "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts}})
    image_file(tmp_path / "images/a.png")
    write_json(tmp_path / "annotations/instances_train2017.json", coco_file(annotations))
    expected = np.full((HEIGHT, WIDTH), IGNORE_INDEX, np.uint8)
    coco = COCO(str(tmp_path / "annotations/instances_train2017.json"))
    for annotation in coco.loadAnns(coco.getAnnIds(7)):
        expected[coco.annToMask(annotation) == 1] = annotation["category_id"] - 11
    np.testing.assert_array_equal(only_labels(tmp_path), expected)
    assert list(find_layout(tmp_path, SPACE).splits) == ["train"]


def test_crowds_lie_below_and_the_rest_is_background(tmp_path: Path) -> None:
    square = [[0, 0, 20, 0, 20, 20, 0, 20]]
    whole = {"size": [HEIGHT, WIDTH], "counts": [0, 30 * HEIGHT, (WIDTH - 30) * HEIGHT]}
    crowd = {"category_id": 12, "iscrowd": 1, "segmentation": whole}
    image_file(tmp_path / "a.png")
    write_json(tmp_path / "all.json", coco_file([{"category_id": 11, "segmentation": square}, crowd]))
    labels = only_labels(tmp_path, background="traffic light")
    assert labels[5, 5] == 0
    assert labels[5, 25] == 1
    assert labels[5, 40] == 2


def test_coco_panoptic_takes_the_colours_of_its_png(tmp_path: Path) -> None:
    segments = np.zeros((HEIGHT, WIDTH), np.int32)
    segments[:, 10:20], segments[:, 20:30], segments[:, 30:] = 3, 70000, 261
    png = np.stack([segments % 256, segments // 256 % 256, segments // 65536], axis=2).astype(np.uint8)
    folder = tmp_path / "annotations/panoptic_val"
    folder.mkdir(parents=True)
    assert cv2.imwrite(str(folder / "a.png"), png[..., ::-1])
    image_file(tmp_path / "val/a.jpg")
    info = [
        {"id": number, "category_id": category, "iscrowd": 0} for number, category in ((3, 11), (70000, 12), (261, 11))
    ]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}],
        "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": info}],
        "categories": CATEGORIES,
    }
    write_json(tmp_path / "annotations/panoptic_val.json", content)
    expected = np.asarray([255, 0, 1, 0, 0, 0], np.uint8)
    np.testing.assert_array_equal(only_labels(tmp_path)[0, ::10][:6], expected)
    assert find_layout(tmp_path, SPACE).layout == "COCO panoptic"


def test_yolo_polygons_are_those_of_ultralytics(tmp_path: Path) -> None:
    polygons = [np.reshape(polygon, (-1, 2)) / (WIDTH, HEIGHT) for polygon in random_polygons(3, 9)]
    lines = [f"{index % 3} {' '.join(map(repr, polygon.ravel().tolist()))}" for index, polygon in enumerate(polygons)]
    image_file(tmp_path / "images/train/a.png")
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "labels/train/a.txt").write_text("\n".join(lines))
    (tmp_path / "data.yaml").write_text(
        "path: /elsewhere\ntrain: images/train\nval: images/train\nnames: [road, car, traffic light]\n"
    )
    expected = np.full((HEIGHT, WIDTH), IGNORE_INDEX, np.uint8)
    for index, polygon in enumerate(polygons):  # ultralytics.data.utils.polygon2mask
        cv2.fillPoly(expected, [(polygon * (WIDTH, HEIGHT)).astype(np.int32)], (index % 3,))
    np.testing.assert_array_equal(only_labels(tmp_path), expected)


def test_labelme_shapes_are_drawn_as_its_shape_to_mask_does(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random((9, 14)) > 0.5
    encoded = base64.b64encode(cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes()).decode()
    points = np.reshape(random_polygons(4, 1)[0], (-1, 2)).tolist()
    shapes = [
        {"label": "road", "points": points, "shape_type": "polygon"},
        {"label": "car", "points": [[30.5, 20.0], [12.2, 9.9]], "shape_type": "rectangle"},
        {"label": "traffic light", "points": [[40.0, 30.0], [44.0, 33.0]], "shape_type": "circle"},
        {"label": "car", "points": [[50, 4], [63, 12]], "shape_type": "mask", "mask": encoded},
    ]
    image_file(tmp_path / "a.jpg")
    content = {"version": "5.5.0", "shapes": shapes, "imagePath": "a.jpg", "imageHeight": HEIGHT, "imageWidth": WIDTH}
    write_json(tmp_path / "a.json", content)
    expected = Image.new("L", (WIDTH, HEIGHT), IGNORE_INDEX)
    draw = ImageDraw.Draw(expected)
    draw.polygon([(x, y) for x, y in points], outline=0, fill=0)
    draw.rectangle([12.2, 9.9, 30.5, 20.0], outline=1, fill=1)
    draw.ellipse([35.0, 25.0, 45.0, 35.0], outline=2, fill=2)
    array = np.array(expected)
    array[4:13, 50:64][mask] = 1
    np.testing.assert_array_equal(only_labels(tmp_path), array)


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><job><labels><label><name>road</name><color>#fa3253</color></label></labels></job></meta>
<image id="0" name="a.png" width="64" height="48">
  <polygon label="car" source="manual" occluded="0" points="{points}" z_order="1"></polygon>
  <polygon label="road" points="1,1;60,1;60,40;1,40" z_order="0"></polygon>
  <mask label="traffic_light" rle="3, 5, 4" left="60" top="46" width="6" height="2" z_order="2"></mask>
</image></annotations>"""


def test_cvat_polygons_lie_by_their_order_and_masks_are_cut(tmp_path: Path) -> None:
    (polygon,) = random_polygons(8, 1)
    points = ";".join(f"{x},{y}" for x, y in np.reshape(polygon, (-1, 2)).tolist())
    image_file(tmp_path / "images/a.png")
    (tmp_path / "annotations.xml").write_text(CVAT.format(points=points))
    expected = np.full((HEIGHT, WIDTH), IGNORE_INDEX, np.uint8)
    for class_id, part in ((0, [1, 1, 60, 1, 60, 40, 1, 40]), (1, polygon)):
        code = coco_mask.frPyObjects([part], HEIGHT, WIDTH)
        expected[coco_mask.decode(coco_mask.merge(code)) == 1] = class_id
    expected[46, 63] = expected[47, 60] = expected[47, 61] = 2  # of 6 x 2 pixels, 4 x 2 are in the image
    np.testing.assert_array_equal(only_labels(tmp_path), expected)


def test_label_studio_takes_the_last_annotation_and_uploaded_names(tmp_path: Path) -> None:
    def polygon(label: str, *points: list[float]) -> dict[str, Any]:
        value = {"points": points, "polygonlabels": [label]}
        return {"type": "polygonlabels", "value": value, "original_width": WIDTH, "original_height": HEIGHT}

    old = {"result": [polygon("car", [0, 0], [100, 0], [100, 100], [0, 100])]}
    new = {"result": [polygon("road", [0, 0], [50, 0], [50, 50], [0, 50])]}
    cancelled = {"was_cancelled": True, "result": old["result"]}
    task = {"id": 3, "data": {"image": "/data/upload/1/0123abcd-a.png"}, "annotations": [old, new, cancelled]}
    image_file(tmp_path / "a.png")
    write_json(tmp_path / "export.json", [task])
    labels = only_labels(tmp_path)
    assert (labels[:24, :32] == 0).all()
    assert (labels[24:] == IGNORE_INDEX).all()
    assert (labels[:, 32:] == IGNORE_INDEX).all()


def test_label_studio_reads_the_code_of_its_own_documentation() -> None:
    from segdata.formats.reading.run_lengths import brush_alpha

    # label-studio-converter's tests: an image of 2 x 2 pixels, as rle-pack of thi.ng/umbrella writes single values.
    bits = f"{16:032b}{7:05b}" + "0010" + "0011" + "0111" + "1111" + "0" + "01" + f"{15:04b}"
    bits += "".join(f"{value:08b}" for value in range(16))
    data = int(bits.ljust(-len(bits) % 8 + len(bits), "0"), 2).to_bytes((len(bits) + 7) // 8, "big")
    np.testing.assert_array_equal(brush_alpha(data, 2, 2), [[3, 7], [11, 15]])


def test_classes_of_annotations_become_a_label_space(tmp_path: Path) -> None:
    image_file(tmp_path / "a.png")
    square = [[0, 0, 20, 0, 20, 20, 0, 20]]
    content = coco_file([{"category_id": 12, "segmentation": square}])
    content["categories"] = [CATEGORIES[0] | {"color": [1, 2, 3]}, *CATEGORIES[1:]]
    write_json(tmp_path / "all.json", content)
    file = tmp_path / "own.toml"
    write_classes(ClassesOptions(source=tmp_path, output=file))
    space = find_label_space(str(file))
    assert (space.names, space.label_ids) == (("road", "Car", "traffic_light"), ((11,), (12,), (13,)))
    assert space.colours[0] == (1, 2, 3)
    (pair,) = find_layout(tmp_path, space).pairs
    assert set(np.unique(read_pair(pair, space).labels).tolist()) == {1, IGNORE_INDEX}
    assert check(CheckOptions(source=tmp_path, label_space=str(file))).layout == "COCO"


def test_a_space_of_ones_own_merges_classes_by_their_numbers(tmp_path: Path) -> None:
    image_file(tmp_path / "a.png")
    square = [[0, 0, 20, 0, 20, 20, 0, 20]]
    write_json(tmp_path / "all.json", coco_file([{"category_id": 12, "segmentation": square}]))
    space = LabelSpace("two", ("way", "thing"), ((1, 1, 1), (2, 2, 2)), ((11,), (12, 13)))
    (pair,) = find_layout(tmp_path, space).pairs
    assert read_pair(pair, space).labels[3, 3] == 1


# What is refused


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ([[1, 1, 5, 5]], "polygon of 2 points, need 3"),
        ([[1, 1, 5, 5, float("nan"), 3]], "corner that is not finite"),
        ([[1, 1, 5, 5, 1e9, 3]], "outline longer"),
        ([[1, 1, 5, 5, 3]], "not a list of x and y"),
        ([["a", "b", 1, 2, 3, 4]], "not a list of numbers"),
        ({"size": [HEIGHT, WIDTH], "counts": [5, 5]}, "of another size"),
        ({"size": [9, 9], "counts": [81]}, "its RLE is 9x9, the image 64x48"),
        ({"size": [HEIGHT, WIDTH], "counts": "\u00e9~~"}, "not COCO's code"),
        ({"counts": None}, "RLE"),
        ("text", "neither polygons nor an RLE"),
    ],
)
def test_damaged_coco_shapes_are_refused(segmentation: object, said: str, tmp_path: Path, refused: Refused) -> None:
    image_file(tmp_path / "a.png")
    good = {"category_id": 11, "segmentation": [SQUARE]}
    write_json(tmp_path / "all.json", coco_file([good, {"category_id": 11, "segmentation": segmentation}]))
    with refused(said):
        only_labels(tmp_path)


def change_category(content: dict[str, Any]) -> None:
    content["annotations"][0]["category_id"] = 99


def change_image(content: dict[str, Any]) -> None:
    content["annotations"][0]["image_id"] = 99


def rename(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["images"][0].update(file_name=name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_category, "category 99, which is not in its categories"),
        (change_image, "image 99, which is not in its images"),
        (rename("../../etc/a.png"), "leads out of"),
        (rename("/etc/a.png"), "leads out of"),
        (rename("//server/share/a.png"), "leads out of"),
        (rename("\\\\server\\share\\a.png"), "leads out of"),
        (lambda content: content["images"][0].update(height=9), "is 64x48 but .* says 64x9"),
        (lambda content: content["categories"][0].update(name="dog"), "annotations of dog, not in three"),
        (lambda content: content["categories"][0].update(id=1.5), "id is 1.5, need a whole number"),
    ],
)
def test_annotations_that_contradict_themselves_are_refused(
    change: Callable[[dict[str, Any]], None], said: str, tmp_path: Path, refused: Refused
) -> None:
    image_file(tmp_path / "a.png")
    content = coco_file([{"category_id": 11, "segmentation": [SQUARE]}])
    if said.startswith("annotations of dog"):
        content["annotations"][0]["category_id"] = content["categories"][0]["id"] = 4
    change(content)
    write_json(tmp_path / "all.json", content)
    with refused(said):
        only_labels(tmp_path)


def test_xml_with_entities_is_refused(tmp_path: Path, refused: Refused) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><annotations>&d;</annotations>'
    image_file(tmp_path / "images/a.png")
    (tmp_path / "annotations.xml").write_text(bomb)
    with refused("a document type, which may have entities"):
        only_labels(tmp_path)


@pytest.mark.parametrize(
    ("name", "beginning"),
    [("all.json", '{"images": [], "categories": [], "annotations": ['), ("annotations.xml", "<annotations><image>")],
)
def test_a_file_of_two_gigabytes_is_refused_by_its_size(
    tmp_path: Path, refused: Refused, name: str, beginning: str
) -> None:
    image_file(tmp_path / "images/a.png")
    with (tmp_path / name).open("w") as stream:
        stream.write(beginning)
        stream.truncate(2 << 30)
    with refused("2,147,483,648 bytes, need 1,500,000,000 or less"):
        only_labels(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_among_the_files_is_not_waited_for(tmp_path: Path, refused: Refused) -> None:
    write_json(tmp_path / "coco/all.json", coco_file([{"category_id": 11, "segmentation": [SQUARE]}]))
    os.mkfifo(tmp_path / "coco/other.json")
    os.mkfifo(tmp_path / "coco/a.png")
    assert [alone.missing for alone in find_layout(tmp_path / "coco", SPACE).alone] == ["a.png"]
    for folder in ("images", "masks"):
        (tmp_path / "plain" / folder).mkdir(parents=True)
        os.mkfifo(tmp_path / "plain" / folder / "a.png")
    with refused("is no regular file; replace it or remove the pair"):
        only_labels(tmp_path / "plain")


def test_an_image_that_is_missing_is_told(tmp_path: Path) -> None:
    image_file(tmp_path / "b.png")
    write_json(tmp_path / "all.json", coco_file([{"category_id": 11, "segmentation": [SQUARE]}]))
    found = find_layout(tmp_path, SPACE)
    assert [(alone.file.name, alone.missing) for alone in found.alone] == [("all.json", "a.png")]
    assert read_image(tmp_path / "b.png").shape == (HEIGHT, WIDTH, 3)
