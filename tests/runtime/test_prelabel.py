"""seg-data prelabel: which frames it chooses, and what it writes about them."""

import csv
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from pycocotools.coco import COCO

from helpers.images import read_image
from helpers.segmented_frames import content
from segdata.cli import main
from segdata.images.resize import enlarge_labels
from segdata.labels import CITYSCAPES_29, IGNORE_INDEX, LabelMap
from segdata.prepare.labels.decoding import decode_labels
from segdata.prepare.labels.label_image import read_label_image
from segrun.prelabel.options import PrelabelFormat, PrelabelOptions
from segrun.prelabel.prelabel import choose, histogram, prelabel, unsureness
from segrun.segmenter import Segmenter

if TYPE_CHECKING:
    from conftest import Artefacts

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own

Refused = Callable[..., AbstractContextManager[None]]


def test_least_sure_frames_come_first_and_those_like_others_last() -> None:
    red, green, blue = np.eye(3, dtype=np.float32)
    histograms = np.stack([red, red, green, red, blue])
    unsure = np.array([0.30, 0.29, 0.10, 0.28, 0.05])
    assert choose(unsure, histograms, 1).tolist() == [0]
    assert choose(unsure, histograms, 3).tolist() == [0, 2, 4]
    assert choose(unsure, histograms, 4).tolist() == [0, 1, 2, 4]
    assert choose(unsure, histograms, 99).tolist() == [0, 1, 3, 2, 4]


def test_where_a_model_is_sure_of_all_frames_that_differ_are_chosen() -> None:
    histograms = np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 2]]
    assert set(choose(np.zeros(5), histograms, 3).tolist()) == {0, 3, 4}


def test_a_histogram_has_the_shares_of_colours() -> None:
    image = np.zeros((10, 20, 3), np.uint8)
    image[:, 5:] = (255, 0, 128)
    shares = histogram(image)
    assert shares.shape == (64,)
    assert sorted(shares[shares > 0].tolist()) == [0.25, 0.75]


def test_a_model_is_unsure_by_its_confidence_or_by_the_mirror() -> None:
    labels = np.array([[1, 1, 2, 3]], np.uint8)
    assert unsureness(labels, np.array([[255, 255, 51, 153]], np.uint8), None) == pytest.approx(0.3)
    assert unsureness(labels, None, labels[:, ::-1]) == 0
    assert unsureness(labels, None, np.array([[3, 2, 2, 1]], np.uint8)) == 0.25


@pytest.fixture(scope="module")
def seen(artefacts: "Artefacts", street_video: Path) -> list[LabelMap]:
    """The network's labels of each frame, at the frame's size."""
    with Segmenter(artefacts.onnx["int8"]) as segmenter:
        return [enlarge_labels(frame.labels, 96, 160) for frame in segmenter.video(street_video)]


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "order.csv").read_text().splitlines()))


@pytest.mark.parametrize("to", ["coco", "cvat", "labelstudio"])
def test_a_tool_gets_the_frames_and_what_the_model_sees(
    to: PrelabelFormat, artefacts: "Artefacts", seen: list[LabelMap], street_video: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "to-label"
    report = prelabel(
        PrelabelOptions(source=str(street_video), output=folder, format=to, budget=3, model=artefacts.onnx["int8"])
    )
    assert (report.looked, report.chosen, report.by_confidence) == (12, 3, False)
    assert 0 < report.unsure < 1
    listed = rows(folder)
    assert [row["rank"] for row in listed] == ["1", "2", "3"]
    assert [row["file"][:2] for row in listed] == ["1_", "2_", "3_"]
    unsure = [float(row["unsure"]) for row in listed]
    assert unsure == sorted(unsure, reverse=True)
    assert unsure[0] >= report.unsure - 1e-5  # the least sure of all is among them
    assert report.unsure_of_chosen == pytest.approx(np.mean(unsure), abs=1e-5)
    names = {row["file"]: int(row["file"][2:8]) for row in listed}
    assert [float(row["seconds"]) for row in listed] == pytest.approx([names[row["file"]] / 25 for row in listed])
    assert {path.name: read_image(path).shape for path in (folder / "images").iterdir()} == dict.fromkeys(
        names, (96, 160, 3)
    )
    if to == "coco":
        found = COCO(str(folder / "annotations/instances_default.json"))
        for image in found.dataset["images"]:
            labels = np.full((96, 160), IGNORE_INDEX, np.uint8)
            for annotation in found.imgToAnns[image["id"]]:
                labels[found.annToMask(annotation).astype(bool)] = annotation["category_id"] - 1
            np.testing.assert_array_equal(labels, seen[names[image["file_name"]]])
    elif to == "cvat":
        images = ElementTree.parse(folder / "annotations.xml").findall("image")
        assert {image.get("name") for image in images} == set(names)
        for image in images:
            there = {CITYSCAPES_29.names[class_id] for class_id in np.unique(seen[names[image.get("name", "")]])}
            assert {mask.get("label") for mask in image.findall("mask")} == there
    else:
        tasks = json.loads((folder / "tasks.json").read_text())
        assert {Path(task["data"]["image"]).name for task in tasks} == set(names)
        scores = [prediction["score"] for task in tasks for prediction in task["predictions"]]
        assert sorted(scores) == pytest.approx([1 - value for value in unsure], abs=1e-4)


def test_images_of_a_folder_are_copied_and_those_alike_left_out(artefacts: "Artefacts", tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    for name in ("a", "b", "c"):
        cv2.imwrite(str(photos / f"{name}.png"), noise)
    cv2.imwrite(str(photos / "d.webp"), noise // 4)
    folder = tmp_path / "to-label"
    prelabel(PrelabelOptions(source=str(photos), output=folder, budget=2, model=artefacts.onnx["int8"]))
    copied = {name[2:]: data for name, data in content(folder / "images").items()}
    assert copied.keys() == {"a.png", "d.webp"}
    assert copied.items() <= content(photos).items()


def test_only_every_nth_frame_is_looked_at(artefacts: "Artefacts", street_video: Path, tmp_path: Path) -> None:
    options = PrelabelOptions(source=str(street_video), output=tmp_path / "out", every=5, model=artefacts.onnx["int8"])
    report = prelabel(options)
    assert (report.looked, report.chosen) == (3, 3)
    assert sorted(float(row["seconds"]) for row in rows(tmp_path / "out")) == pytest.approx([0, 0.2, 0.4])


def test_what_cannot_be_prelabelled_is_refused(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path, refused: Refused
) -> None:
    model = artefacts.onnx["int8"]
    (tmp_path / "mine.txt").write_text("mine")
    with refused("is there already; remove it, or name another folder"):
        prelabel(PrelabelOptions(source=str(street_video), output=tmp_path, model=model))
    with refused("0: has no end; record it first, and name the video"):
        prelabel(PrelabelOptions(source="0", output=tmp_path / "out", model=model))
    (tmp_path / "broken.mp4").write_bytes(street_video.read_bytes()[:500])
    with refused(r"broken\.mp4"):
        prelabel(PrelabelOptions(source=str(tmp_path / "broken.mp4"), output=tmp_path / "out", model=model))
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", "broken.mp4"}


def test_seg_data_has_the_command(artefacts: "Artefacts", street_video: Path, tmp_path: Path) -> None:
    listed = CliRunner().invoke(main, ["--help"])
    assert "prelabel" in listed.output
    words = ["prelabel", str(street_video), "-o", str(tmp_path / "out"), "--budget", "2"]
    done = CliRunner().invoke(main, [*words, "--model", str(artefacts.onnx["int8"])])
    assert done.exit_code == 0, done.output
    said, where = done.stdout.splitlines()
    assert said.startswith("2 of 12 frames; by mirrored frames the model is unsure of ")
    assert where == str(tmp_path / "out")


def test_frames_of_real_streets_that_are_chosen_have_more_wrong_pixels(real_data: Path, tmp_path: Path) -> None:
    photos, wrong = tmp_path / "photos", {}
    photos.mkdir()
    with Segmenter("unet-64") as segmenter:
        for path in sorted((real_data / "cityscapes256/val/leftImg").iterdir())[::8]:
            (photos / path.name).symlink_to(path)
            file = read_label_image(real_data / "cityscapes256/val/labelIds" / path.name)
            truth, _ = decode_labels(file, "colours", CITYSCAPES_29, path)
            known = truth != IGNORE_INDEX
            wrong[path.stem] = float(np.mean(segmenter.image(path).labels[known] != truth[known]))
    prelabel(
        PrelabelOptions(source=str(photos), output=tmp_path / "out", budget=len(wrong) // 5, model=Path("unet-64"))
    )
    chosen = [wrong[Path(row["file"]).stem.partition("_")[2]] for row in rows(tmp_path / "out")]
    assert np.mean(chosen) > np.mean(list(wrong.values())) + 0.02
