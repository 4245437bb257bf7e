"""What labelling tools export beyond their first example: turned shapes, lists, odd names, other files beside."""

import unicodedata
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from helpers.annotated import HEIGHT, SPACE, SQUARE, WIDTH, coco_file, image_file, only_labels, write_json
from segdata.classes import write_classes
from segdata.labels import IGNORE_INDEX
from segdata.options import ClassesOptions
from segdata.prepare.label_files import find_label_space
from segdata.prepare.labels.reading import read_pair
from segdata.prepare.layouts.find import find_layout

# pycocotools' own `decode`, to which the truth is owed, is older than NumPy 2's word for a copy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Refused = Callable[..., AbstractContextManager[None]]


def test_shapes_that_cvat_turned_are_turned(tmp_path: Path) -> None:
    shapes = (
        '<box label="road" xtl="10" ytl="10" xbr="50" ybr="20" rotation="30.00"/>'
        '<ellipse label="car" cx="30" cy="30" rx="16" ry="4" rotation="300.00"/>'
    )
    image_file(tmp_path / "a.png")
    (tmp_path / "annotations.xml").write_text(
        f'<annotations><image id="0" name="a.png" width="64" height="48">{shapes}</image></annotations>'
    )
    labels = only_labels(tmp_path)
    # As CVAT's transform RotatedBoxesToPolygons does: clockwise about the middle.
    turn = np.deg2rad(30)
    corners = np.asarray([[10, 10], [50, 10], [50, 20], [10, 20]]) - (30, 15)
    cosine, sine = np.cos(turn), np.sin(turn)
    turned = np.stack([30 + corners @ (cosine, -sine), 15 + corners @ (sine, cosine)], axis=1)
    box = coco_mask.decode(coco_mask.frPyObjects([turned.ravel().tolist()], HEIGHT, WIDTH))[..., 0] == 1
    ellipse = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(ellipse, (30, 30), (16, 4), 300, 0, 360, (1,), -1)
    over = ellipse == 1
    np.testing.assert_array_equal((labels == 0)[~over & (labels != 1)], box[~over & (labels != 1)])
    both = np.count_nonzero((labels == 1) & over)
    assert both / np.count_nonzero((labels == 1) | over) > 0.75  # OpenCV's includes the outline


def test_cvat_says_the_split_and_leaves_out_the_suffix_of_a_videos_frames(tmp_path: Path) -> None:
    images = []
    for index, subset in enumerate(("Train", "Validation")):
        image_file(tmp_path / f"images/frame_{index:06}.PNG")
        box = '<box label="car" xtl="1" ytl="1" xbr="9" ybr="9"/>'
        images.append(
            f'<image id="{index}" name="frame_{index:06}" subset="{subset}" width="64" height="48">{box}</image>'
        )
    (tmp_path / "annotations.xml").write_text(f"<annotations>{''.join(images)}</annotations>")
    found = find_layout(tmp_path, SPACE)
    assert {split: [pair.name for pair in pairs] for split, pairs in found.splits.items()} == {
        "train": ["frame_000000"],
        "val": ["frame_000001"],
    }


def test_what_coco_delivers_beside_its_instances_is_left_alone(tmp_path: Path) -> None:
    image_file(tmp_path / "train2017/a.png")
    instances = coco_file([{"category_id": 11, "segmentation": [SQUARE]}])
    keypoints = coco_file([{"category_id": 12, "segmentation": [SQUARE], "keypoints": [0, 0, 0]}])
    captions = coco_file([{"caption": "a street"}])
    del captions["categories"]
    for name, content in (("instances", instances), ("person_keypoints", keypoints), ("captions", captions)):
        write_json(tmp_path / f"annotations/{name}_train2017.json", content)
    assert set(np.unique(only_labels(tmp_path)).tolist()) == {0, IGNORE_INDEX}


def test_names_with_accents_are_one_however_they_are_written(tmp_path: Path) -> None:
    image_file(tmp_path / unicodedata.normalize("NFD", "café/é.png"))
    image_file(tmp_path / "other/é.png")
    content = coco_file([{"category_id": 11, "segmentation": [SQUARE]}])
    content["images"][0]["file_name"] = unicodedata.normalize("NFC", "café/é.png")
    write_json(tmp_path / "all.json", content)
    (pair,) = find_layout(tmp_path, SPACE).pairs
    assert isinstance(pair.image, Path)
    assert pair.image.parent.name != "other"


def test_a_mask_called_after_its_photo_is_not_the_photo(tmp_path: Path) -> None:
    image_file(tmp_path / "masks/a.png.png")
    write_json(tmp_path / "all.json", coco_file([{"category_id": 11, "segmentation": [SQUARE]}]))
    found = find_layout(tmp_path, SPACE)
    assert (found.pairs, [alone.missing for alone in found.alone]) == ([], ["a.png"])


def test_a_frame_keeps_what_follows_a_dot_in_its_name(tmp_path: Path) -> None:
    for index in range(2):
        image_file(tmp_path / f"frame.{index:04}.png")
        shape = {"label": "road", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}
        write_json(tmp_path / f"frame.{index:04}.json", {"shapes": [shape], "imagePath": f"frame.{index:04}.png"})
    assert [pair.name for pair in find_layout(tmp_path, SPACE).pairs] == ["frame.0000", "frame.0001"]


YOLO_LINE = "1 0.1 0.1 0.5 0.1 0.5 0.5\n"


def write_yolo(folder: Path, yaml: str, images: tuple[str, ...]) -> None:
    """Write images, each with a text file where Ultralytics looks for it, and data.yaml."""
    for name in images:
        image_file(folder / name)
        labels = folder / name.replace("images", "labels").replace(".png", ".txt")
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text(f"\ufeff{YOLO_LINE}", encoding="utf-8")
    (folder / "data.yaml").write_text(yaml, encoding="utf-8")


def test_yolo_takes_lists_of_images(tmp_path: Path) -> None:
    names = tuple(f"images/{split}/{index}.png" for split in ("train", "val") for index in range(2))
    write_yolo(tmp_path, "path: ../elsewhere\ntrain: train.txt\nval: val.txt\nnames: [road, car]\n", names)
    (tmp_path / "train.txt").write_text(f"./{names[0]}\r\n/content/data/{names[1]}\r\n\r\n", encoding="utf-8-sig")
    (tmp_path / "val.txt").write_text(f"data/{names[2]}\n{names[2]}\nimages/val/gone.png\n")
    found = find_layout(tmp_path, SPACE)
    assert {split: [pair.name for pair in pairs] for split, pairs in found.splits.items()} == {
        "train": ["images_train_0", "images_train_1"],
        "val": ["images_val_0"],
    }
    assert [alone.missing for alone in found.alone] == ["images/val/gone.png"]
    assert all(1 in read_pair(pair, SPACE).labels for pair in found.pairs)


@pytest.mark.parametrize(
    "yaml",
    [
        "train: data\nval: data\nnames: {'0': road, '1': car}\n",
        '\ufeff\'train\': data\n"val" : data\n"names": [road, car]\n',
        "train: data/images\nval: data/images\ntest: ../test/images\nnames: {0: road, 1: car, 2: 7}\n",
        "train: [data/images]\nval: [data/images]\ntest:\nnames: [road, car]\n",
    ],
)
def test_yolo_reads_what_ultralytics_reads(yaml: str, tmp_path: Path) -> None:
    write_yolo(tmp_path, yaml, ("data/images/a.png",))
    assert set(np.unique(only_labels(tmp_path)).tolist()) == {1, IGNORE_INDEX}


def test_yolo_needs_the_images_of_train_and_val(tmp_path: Path, refused: Refused) -> None:
    write_yolo(tmp_path, "train: images\nval: val.txt\nnames: [road, car]\n", ("images/a.png",))
    with refused("the folder or list 'val.txt' is not there"):
        only_labels(tmp_path)


def test_annotations_of_no_image_are_told(tmp_path: Path, refused: Refused) -> None:
    track = '<track id="0" label="car"><box frame="0" xtl="1" ytl="1" xbr="9" ybr="9" outside="0"/></track>'
    image_file(tmp_path / "video/images/frame_000000.png")
    (tmp_path / "video/annotations.xml").write_text(f"<annotations>{track}</annotations>")
    with refused("tracks of CVAT for video; export CVAT for images 1.1"):
        only_labels(tmp_path / "video")
    image_file(tmp_path / "skipped/a.png")
    skipped = {"id": 1, "data": {"image": "a.png"}, "annotations": [{"was_cancelled": True, "result": []}]}
    write_json(tmp_path / "skipped/export.json", [skipped])
    with refused("Label Studio annotations of no image"):
        only_labels(tmp_path / "skipped")


def test_classes_that_differ_in_their_spelling_alone_stay_two(tmp_path: Path) -> None:
    image_file(tmp_path / "a.png")
    later = [30.0, 30.0, 40.0, 30.0, 40.0, 40.0, 30.0, 40.0]
    content = coco_file([{"category_id": 1, "segmentation": [SQUARE]}, {"category_id": 2, "segmentation": [later]}])
    content["categories"] = [{"id": 1, "name": "Road"}, {"id": 2, "name": "road"}]
    write_json(tmp_path / "all.json", content)
    write_classes(ClassesOptions(source=tmp_path, output=tmp_path / "own.toml"))
    space = find_label_space(str(tmp_path / "own.toml"))
    (pair,) = find_layout(tmp_path, space).pairs
    labels = read_pair(pair, space).labels
    assert (labels[3, 3], labels[35, 35]) == (0, 1)
