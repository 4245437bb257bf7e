"""The layouts of labelled images: what is found, and what is refused in one line."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import pytest

from helpers.images import read_image
from segdata.prepare.layouts import Encoding, Pair, find_layout, find_pairs

Refused = Callable[..., AbstractContextManager[None]]
WritePair = Callable[..., None]


def touch(source: Path, *files: str) -> None:
    """Make empty files: layouts go by names alone."""
    for file in files:
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).touch()


def official(split: str, name: str, *kinds: str) -> list[str]:
    return [
        f"leftImg8bit/{split}/aachen/{name}_leftImg8bit.png",
        *(f"gtFine/{split}/aachen/{name}_gtFine_{kind}.png" for kind in kinds),
    ]


def names(source: Path) -> dict[str, list[str]]:
    return {split: [pair.name for pair in pairs] for split, pairs in find_pairs(source).items()}


def test_pairs_are_found_by_split_and_sorted_by_name(tmp_path: Path, write_pair: WritePair) -> None:
    for split, name in (("train", "999"), ("train", "1000"), ("train", "0007"), ("val", "001")):
        write_pair(tmp_path / split, name)
    assert names(tmp_path) == {"train": ["0007", "1000", "999"], "val": ["001"]}
    assert find_layout(tmp_path).layout == "pairs"
    val = tmp_path / "val"
    assert find_pairs(tmp_path)["val"] == [Pair("001", val / "leftImg/001.png", val / "labelIds/001.png", "colours")]


def test_image_and_labels_may_be_of_different_formats(tmp_path: Path, write_pair: WritePair) -> None:
    write_pair(tmp_path / "train", "0001")
    image = tmp_path / "train/leftImg/0001.png"
    cv2.imwrite(str(image.with_suffix(".JPG")), read_image(image))
    image.unlink()
    assert find_pairs(tmp_path)["train"][0].image.name == "0001.JPG"


def test_official_frames_are_found_by_split_and_sorted_by_name(tmp_path: Path) -> None:
    touch(tmp_path, *official("train", "b", "labelIds"), *official("train", "a", "labelIds"))
    touch(tmp_path, *official("val", "c", "labelIds", "instanceIds", "polygons"))
    assert find_layout(tmp_path).layout == "official"
    assert names(tmp_path) == {"train": ["a", "b"], "val": ["c"]}


@pytest.mark.parametrize(
    ("there", "taken", "encoding"),
    [
        (("labelIds", "labelTrainIds", "color"), "labelIds", "label ids"),
        (("labelTrainIds", "color"), "labelTrainIds", "train ids"),
        (("color",), "color", "colours"),
    ],
)
def test_official_labels_are_the_most_exact_there_are(
    tmp_path: Path, there: tuple[str, ...], taken: str, encoding: Encoding
) -> None:
    touch(tmp_path, *official("train", "a", *there))
    image, labels = (tmp_path / name for name in official("train", "a", taken))
    assert find_pairs(tmp_path)["train"] == [Pair("a", image, labels, encoding)]


@pytest.mark.parametrize(("folder", "split"), [("", "all"), ("train/", "train")])
def test_side_by_side_images_are_found_with_and_without_splits(tmp_path: Path, folder: str, split: str) -> None:
    touch(tmp_path, f"{folder}2.png", f"{folder}1.jpg")
    first, second = tmp_path / f"{folder}1.jpg", tmp_path / f"{folder}2.png"
    assert find_layout(tmp_path).layout == "side by side"
    assert find_pairs(tmp_path) == {
        split: [Pair("1", first, first, "right half"), Pair("2", second, second, "right half")]
    }


@pytest.mark.parametrize(("folder", "split"), [("", "all"), ("train/", "train")])
def test_images_and_masks_are_found_with_and_without_splits(tmp_path: Path, folder: str, split: str) -> None:
    touch(tmp_path, *(f"{folder}{name}" for name in ("images/2.jpg", "images/1.jpg", "masks/1.png", "masks/2.png")))
    assert find_layout(tmp_path).layout == "plain"
    assert find_pairs(tmp_path) == {
        split: [
            Pair(name, tmp_path / f"{folder}images/{name}.jpg", tmp_path / f"{folder}masks/{name}.png", "label ids")
            for name in ("1", "2")
        ]
    }


@pytest.mark.parametrize(
    "hidden",
    [
        [".cache/leftImg/0001.png"],
        [".cache/0001.png"],
        [".cache/images/0001.png"],
        ["train/leftImg/._0001.png"],
        [*official(".cache", "a", "color")[:1], "gtFine/x"],
        ["leftImg8bit/train/.aachen/a_leftImg8bit.png", "gtFine/x"],
        ["leftImg8bit/train/aachen/._a_leftImg8bit.png", "gtFine/x"],
    ],
)
def test_what_is_hidden_is_left_alone(tmp_path: Path, write_pair: WritePair, hidden: list[str]) -> None:
    write_pair(tmp_path / "train", "0001")
    touch(tmp_path, *hidden)
    assert names(tmp_path) == {"train": ["0001"]}


def test_other_files_and_folders_are_left_alone(tmp_path: Path, write_pair: WritePair) -> None:
    write_pair(tmp_path / "train", "0001")
    touch(tmp_path, "train/leftImg/Thumbs.db", "drive.mp4")
    (tmp_path / "notes").mkdir()
    (tmp_path / "train/leftImg/folder.png").mkdir()
    assert names(tmp_path) == {"train": ["0001"]}


@pytest.mark.parametrize("name", ["Straße 街 ü", "n" * 200])
@pytest.mark.parametrize(
    "files",
    [
        ["leftImg8bit/s/c/{}_leftImg8bit.png", "gtFine/s/c/{}_gtFine_labelIds.png"],
        ["s/leftImg/{}.png", "s/labelIds/{}.png"],
        ["s/{}.png"],
        ["s/images/{}.jpg", "s/masks/{}.png"],
    ],
    ids=["official", "pairs", "side by side", "plain"],
)
def test_names_may_be_long_and_of_any_script(tmp_path: Path, name: str, files: list[str]) -> None:
    touch(tmp_path, *(file.format(name) for file in files))
    assert names(tmp_path) == {"s": [name]}


@pytest.mark.parametrize(
    ("first", "second", "layouts"),
    [
        (official("train", "a", "labelIds"), ["train/leftImg/1.png", "train/labelIds/1.png"], "official and pairs"),
        (["train/leftImg/1.png", "train/labelIds/1.png"], ["val/1.png"], "pairs and side by side"),
        (["1.png"], ["images/1.png", "masks/1.png"], "side by side and plain"),
    ],
)
def test_two_layouts_in_one_folder_are_refused(
    tmp_path: Path, refused: Refused, first: list[str], second: list[str], layouts: str
) -> None:
    touch(tmp_path, *first, *second)
    with refused(f"{tmp_path}: has the layouts {layouts}; need one"):
        find_layout(tmp_path)


@pytest.mark.parametrize(
    ("there", "lacking"), [("leftImg", "labelIds"), ("labelIds", "leftImg"), ("images", "masks"), ("masks", "images")]
)
def test_files_without_their_pair_are_refused(tmp_path: Path, refused: Refused, there: str, lacking: str) -> None:
    touch(tmp_path, *(f"train/{there}/{name}.png" for name in "123"), f"train/{lacking}/1.png")
    with refused(
        f"2 files without their pair, the first is {tmp_path}/train/{there}/2.png; add {lacking}/2 or remove it"
    ):
        find_pairs(tmp_path)


@pytest.mark.parametrize("alone", [0, 1])
def test_official_files_without_their_pair_are_refused(tmp_path: Path, refused: Refused, alone: int) -> None:
    lone = official("train", "b", "labelIds")
    touch(tmp_path, *official("train", "a", "labelIds"), lone[alone])
    with refused(f"1 files without their pair, the first is {tmp_path / lone[alone]}; add {lone[1 - alone]} or remove"):
        find_pairs(tmp_path)


def test_images_without_a_folder_of_labels_are_refused(tmp_path: Path, write_pair: WritePair, refused: Refused) -> None:
    write_pair(tmp_path / "train", "0001")
    (tmp_path / "train/labelIds").rename(tmp_path / "train/labels")
    with refused("1 files without their pair, .*leftImg/0001.png; add labelIds/0001 or remove it"):
        find_pairs(tmp_path)


@pytest.mark.parametrize("folder", ["train/leftImg", "train/labelIds", "images", "train"])
def test_one_name_twice_in_a_folder_is_refused(tmp_path: Path, refused: Refused, folder: str) -> None:
    touch(tmp_path, f"{folder}/0001.jpg", f"{folder}/0001.png", "masks/0001.png")
    with refused(f"{tmp_path / folder}: 0001.jpg and 0001.png have one name; remove one"):
        find_pairs(tmp_path)


@pytest.mark.parametrize("folders", [[], ["train/leftImg", "train/labelIds"], ["images", "masks"]])
def test_a_folder_without_images_is_refused_with_what_is_needed(
    tmp_path: Path, refused: Refused, folders: list[str]
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with refused(
        f"{tmp_path}: no labelled images found; need leftImg8bit/ and gtFine/, SPLIT/leftImg/ and SPLIT/labelIds/, "
        "SPLIT/ of side-by-side images, or images/ and masks/"
    ):
        find_pairs(tmp_path)


@pytest.mark.parametrize("name", ["missing", "file.txt"])
def test_a_source_that_is_no_folder_is_refused(tmp_path: Path, refused: Refused, name: str) -> None:
    touch(tmp_path, "file.txt")
    with refused(f"{name}: no such folder; need one with labelled images"):
        find_pairs(tmp_path / name)
