"""The pairs layout: what is found, and what is refused in one line."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np
import pytest

from segdata.pairs import Pair, find_pairs, read_rgb
from segdata.synth import scene

Refused = Callable[..., AbstractContextManager[None]]
WritePair = Callable[..., None]


def test_pairs_are_found_by_split_and_sorted_by_name(tmp_path: Path, write_pair: WritePair) -> None:
    for split, name in (("train", "999"), ("train", "1000"), ("train", "0007"), ("val", "001")):
        write_pair(tmp_path / split, name)
    pairs = find_pairs(tmp_path)
    assert {split: [pair.name for pair in found] for split, found in pairs.items()} == {
        "train": ["0007", "1000", "999"],
        "val": ["001"],
    }
    val = tmp_path / "val"
    assert pairs["val"] == [Pair("001", val / "leftImg/001.png", val / "labelIds/001.png")]


def test_image_and_labels_may_be_of_different_formats(tmp_path: Path, write_pair: WritePair) -> None:
    write_pair(tmp_path / "train", "0001")
    image = tmp_path / "train/leftImg/0001.png"
    cv2.imwrite(str(image.with_suffix(".JPG")), cv2.imread(str(image)))
    image.unlink()
    assert find_pairs(tmp_path)["train"][0].image.name == "0001.JPG"


def test_other_files_and_folders_are_left_alone(tmp_path: Path, write_pair: WritePair) -> None:
    write_pair(tmp_path / "train", "0001")
    (tmp_path / "train/leftImg/Thumbs.db").touch()
    (tmp_path / "notes").mkdir()
    assert {split: len(found) for split, found in find_pairs(tmp_path).items()} == {"train": 1}


@pytest.mark.parametrize(("there", "lacking"), [("leftImg", "labelIds"), ("labelIds", "leftImg")])
def test_a_file_without_its_pair_is_refused(
    tmp_path: Path, write_pair: WritePair, refused: Refused, there: str, lacking: str
) -> None:
    write_pair(tmp_path / "train", "0001")
    write_pair(tmp_path / "train", "0002")
    (tmp_path / f"train/{lacking}/0002.png").unlink()
    with refused(f"1 files without their pair, the first is {there}/0002; add {lacking}/0002 or remove it"):
        find_pairs(tmp_path)


def test_images_without_a_folder_of_labels_are_refused(tmp_path: Path, write_pair: WritePair, refused: Refused) -> None:
    write_pair(tmp_path / "train", "0001")
    (tmp_path / "train/labelIds").rename(tmp_path / "train/labels")
    with refused("train has leftImg but no labelIds"):
        find_pairs(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused(f"found no images in {tmp_path}; need SPLIT/leftImg/NAME.jpg"):
        find_pairs(tmp_path)


def test_splits_without_images_are_refused(tmp_path: Path, refused: Refused) -> None:
    for folder in ("leftImg", "labelIds"):
        (tmp_path / "train" / folder).mkdir(parents=True)
    with refused("found no images"):
        find_pairs(tmp_path)


@pytest.mark.parametrize("name", ["missing", "file.txt"])
def test_a_source_that_is_no_folder_is_refused(tmp_path: Path, refused: Refused, name: str) -> None:
    (tmp_path / "file.txt").touch()
    with refused(f"{name}.* need .*SPLIT/leftImg and SPLIT/labelIds"):
        find_pairs(tmp_path / name)


def test_images_are_read_as_rgb(tmp_path: Path, write_pair: WritePair) -> None:
    write_pair(tmp_path / "train", "0001", seed=3)
    image = read_rgb(tmp_path / "train/leftImg/0001.png")
    assert image.dtype == np.uint8
    assert np.array_equal(image, scene(3, 64, 64).image)


def test_a_grey_image_is_read_with_three_channels(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((4, 6), 77, dtype=np.uint8))
    assert read_rgb(tmp_path / "grey.png").tolist() == [[[77, 77, 77]] * 6] * 4


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_a_file_that_is_no_image_is_refused(tmp_path: Path, refused: Refused, content: bytes) -> None:
    (tmp_path / "bad.jpg").write_bytes(content)
    with refused("bad.jpg: not an image OpenCV can read"):
        read_rgb(tmp_path / "bad.jpg")


def test_a_link_to_nowhere_is_refused(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "moved.jpg")
    with refused(r"gone\.jpg: .*replace the file or remove the pair"):
        read_rgb(tmp_path / "gone.jpg")


def test_half_an_image_is_refused(tmp_path: Path, write_pair: WritePair, refused: Refused) -> None:
    write_pair(tmp_path / "train", "0001")
    whole = tmp_path / "train/leftImg/0001.png"
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with refused("0001.png: not an image OpenCV can read"):
        read_rgb(whole)
