"""seg-run's labels for other tools: of the frame's size, one file or one a frame, in memory that does not grow."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from helpers.images import read_image
from helpers.segmented_frames import content, segmented
from segdata.formats.writing.base import Place
from segdata.formats.writing.coco import CocoFile
from segdata.formats.writing.names import MaskFormat
from segdata.formats.writing.open import MASKS
from segdata.images.resize import enlarge_labels
from segdata.labels import CITYSCAPES_29, IGNORE_INDEX, LabelMap
from segrun.options import RunOptions
from segrun.run import run
from segrun.runners.base import Runner
from segrun.runners.open import open_runner
from segrun.segmenter import Segmenter
from segrun.sinks.annotations import AnnotationSink

if TYPE_CHECKING:
    from conftest import Artefacts

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own

Refused = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="module")
def runner(artefacts: "Artefacts") -> Iterator[Runner]:
    with open_runner(artefacts.onnx["int8"]) as runner:
        yield runner


@pytest.fixture(scope="module")
def seen(artefacts: "Artefacts", street_video: Path) -> list[LabelMap]:
    """The network's labels of each frame, at the frame's size."""
    with Segmenter(artefacts.onnx["int8"]) as segmenter:
        return [
            enlarge_labels(frame.labels, frame.frame.picture.height, frame.frame.picture.width)
            for frame in segmenter.video(street_video)
        ]


def from_coco(path: Path) -> dict[str, LabelMap]:
    found = COCO(str(path))
    masks = {}
    for image in found.dataset["images"]:
        masks[image["file_name"]] = np.full((image["height"], image["width"]), IGNORE_INDEX, np.uint8)
        for annotation in found.imgToAnns[image["id"]]:
            masks[image["file_name"]][found.annToMask(annotation).astype(bool)] = annotation["category_id"] - 1
    return masks


@pytest.mark.parametrize("mask_format", ["png", "polygons"])
def test_a_video_is_one_file_of_coco(
    mask_format: MaskFormat, runner: Runner, seen: list[LabelMap], street_video: Path, tmp_path: Path
) -> None:
    target = tmp_path / "new/street.COCO.json"
    options = RunOptions(inputs=(str(street_video),), outputs=(str(target),), mask_format=mask_format)
    assert run(options, runner).outputs == (target,)
    masks = from_coco(target)
    assert list(masks) == [f"{number:06}.jpg" for number in range(12)]
    np.testing.assert_array_equal(list(masks.values()), seen)


@pytest.mark.parametrize("mask_format", MASKS)
def test_a_folder_is_as_its_tool_has_it(
    mask_format: MaskFormat, runner: Runner, seen: list[LabelMap], street_video: Path, tmp_path: Path
) -> None:
    options = RunOptions(
        inputs=(str(street_video),), outputs=(f"{tmp_path}/masks/",), mask_format=mask_format, with_images=True
    )
    run(options, runner)
    folder = tmp_path / "masks"
    height, width = seen[0].shape
    assert {read_image(path).shape for path in folder.rglob("*.jpg")} == {(height, width, 3)}
    assert len(list(folder.rglob("*.jpg"))) == len(seen) == 12
    match mask_format:
        case "rle":
            np.testing.assert_array_equal(from_coco(folder / "000007.json")["000007.jpg"], seen[7])
        case "polygons":
            content = json.loads((folder / "000007.json").read_text())
            assert (content["imagePath"], content["imageHeight"], content["imageWidth"]) == (
                "000007.jpg",
                height,
                width,
            )
            assert {shape["label"] for shape in content["shapes"]} == {
                CITYSCAPES_29.names[c] for c in np.unique(seen[7])
            }
        case "yolo":
            rows = [line.split() for line in (folder / "labels/000007.txt").read_text().splitlines()]
            labels = np.full((height, width), IGNORE_INDEX, np.uint8)
            for class_id, *values in rows:
                corners = np.asarray(values, np.float64).reshape(-1, 2) * (width, height)
                cv2.fillPoly(labels, [corners.astype(np.int32)], int(class_id))
            np.testing.assert_array_equal(labels, seen[7])
        case "cvat":
            images = ElementTree.parse(folder / "annotations.xml").findall("image")
            assert [image.get("name") for image in images] == [f"{number:06}.jpg" for number in range(12)]
            assert {(image.get("height"), image.get("width")) for image in images} == {(str(height), str(width))}
        case _:
            tasks = json.loads((folder / "tasks.json").read_text())
            assert [task["data"]["image"][-10:] for task in tasks] == [f"{number:06}.jpg" for number in range(12)]
            assert all(task["predictions"] for task in tasks)


def test_images_keep_their_names_and_bytes(runner: Runner, seen: list[LabelMap], tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.png", "b.webp"):
        cv2.imwrite(str(photos / name), np.full((60, 90, 3), 90, np.uint8))
    options = RunOptions(inputs=(str(photos),), outputs=(f"{tmp_path}/out/",), mask_format="polygons", with_images=True)
    run(options, runner)
    assert content(photos).items() <= content(tmp_path / "out").items()
    assert json.loads((tmp_path / "out/b.json").read_text())["imagePath"] == "b.webp"


def test_two_images_of_one_name_are_refused(runner: Runner, tmp_path: Path, refused: Refused) -> None:
    for name in ("a.png", "a.webp"):
        cv2.imwrite(str(tmp_path / name), np.full((60, 90, 3), 90, np.uint8))
    options = RunOptions(inputs=(str(tmp_path),), outputs=(f"{tmp_path}/out/",), mask_format="yolo")
    with refused("two images would have the labels a; rename one of them"):
        run(options, runner)


def test_images_do_not_go_into_a_file(runner: Runner, street_video: Path, tmp_path: Path, refused: Refused) -> None:
    options = RunOptions(inputs=(str(street_video),), outputs=(f"{tmp_path}/a.coco.json",), with_images=True)
    with refused("got --with-images for the file .*; name a folder"):
        run(options, runner)


@pytest.mark.parametrize("name", ["cvat", "labelstudio", "coco"])
def test_memory_does_not_grow_with_frames(name: str, tmp_path: Path) -> None:
    writer = CocoFile(tmp_path / "a.json", CITYSCAPES_29) if name == "coco" else None
    frame = segmented(0)
    sink = AnnotationSink(tmp_path, writer or MASKS[name](Place(tmp_path), CITYSCAPES_29))  # type: ignore[index]

    def frames(count: int) -> None:
        for _ in range(count):
            sink.write(frame, None)

    frames(10)
    tracemalloc.start()
    frames(10)
    before = tracemalloc.get_traced_memory()[0]
    frames(100)
    sink.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    written = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert written > 300_000
    assert peak - before < written / 2
