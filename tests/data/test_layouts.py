"""The layouts of labelled images: what is found, and what is refused in one line."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers.images import read_image
from helpers.labelled_files import (
    COLOURS,
    LABEL_IDS,
    TWO,
    TWO_CLASSES,
    photo,
    save,
    side_by_side,
    write_files,
)
from helpers.prepare_runs import find_pairs
from segdata.labels import CITYSCAPES_29
from segdata.prepare.layouts.find import find_layout
from segdata.prepare.pair import Encoding, Pair

Refused = Callable[..., AbstractContextManager[None]]
WritePair = Callable[..., None]


def touch(source: Path, *files: str) -> None:
    """Make empty files, so that only names decide."""
    for file in files:
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).touch()


def write_folders(source: Path, images: str, masks: str, names: str = "123") -> None:
    """Write photos and masks of labelIds: `{}` in the patterns is the frame's name."""
    for name in names:
        write_files(source, {images.format(name): photo(ord(name)), masks.format(name): LABEL_IDS})


def official(split: str, name: str, *kinds: str) -> list[str]:
    return [
        f"leftImg8bit/{split}/aachen/{name}_leftImg8bit.png",
        *(f"gtFine/{split}/aachen/{name}_gtFine_{kind}.png" for kind in kinds),
    ]


def names(source: Path) -> dict[str, list[str]]:
    return {split: [pair.name for pair in pairs] for split, pairs in find_pairs(source).items()}


# What is found


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


@pytest.mark.parametrize(("folder", "split"), [("", "all"), ("train/", "train"), ("Validation/", "val")])
def test_side_by_side_images_are_found_with_and_without_splits(tmp_path: Path, folder: str, split: str) -> None:
    first, second = (
        save(tmp_path / f"{folder}1.bmp", side_by_side(1)),
        save(tmp_path / f"{folder}2.png", side_by_side(2)),
    )
    assert find_layout(tmp_path).layout == "side by side"
    assert find_pairs(tmp_path) == {
        split: [Pair("1", first, first, "right half"), Pair("2", second, second, "right half")]
    }


@pytest.mark.parametrize(
    ("images", "masks", "layout"),
    [
        ("images/{}.jpg", "masks/{}.png", "plain"),
        ("train/images/{}.jpg", "train/masks/{}.png", "plain"),
        ("images/train/{}.jpg", "masks/train/{}.png", "plain"),
        ("images/train/{}.jpg", "labels/train/{}.png", "images and labels"),
        ("img_dir/train/{}.jpg", "ann_dir/train/{}.png", "img_dir and ann_dir"),
        ("images/training/{}.jpg", "annotations/training/{}.png", "images and annotations"),
        ("data/Images/Train/{}.jpg", "data/Masks/Train/{}.png", "plain"),
        ("train/{}.png", "trainannot/{}.png", "CamVid"),
        ("train/0001TP_{}.png", "train_labels/0001TP_{}_L.png", "CamVid"),
        ("701_StillsRaw_full/{}.png", "LabeledApproved_full/{}_L.png", "CamVid"),
        ("VOCdevkit/VOC2012/JPEGImages/{}.jpg", "VOCdevkit/VOC2012/SegmentationClass/{}.png", "VOC"),
        ("images/{}_sat.jpg", "masks/{}_mask.png", "plain"),
        ("images/road_{}.jpg", "masks/road_{}.png", "plain"),
    ],
)
def test_folders_of_images_and_of_masks_are_found(tmp_path: Path, images: str, masks: str, layout: str) -> None:
    write_folders(tmp_path, images, masks)
    found = find_layout(tmp_path)
    assert (found.layout, found.alone) == (layout, [])
    split = "train" if "train" in images.lower() else "VOC2012" if "VOC" in images else "all"
    expected = {(tmp_path / images.format(name), tmp_path / masks.format(name)) for name in "123"}
    assert {split: expected} == {name: {(p.image, p.labels) for p in pairs} for name, pairs in found.splits.items()}
    assert {pair.encoding for pair in found.pairs} == {"label ids"}


def test_masks_in_the_folder_of_their_images_are_found(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        write_folders(tmp_path, split + "/a-{}_jpg.rf.1.jpg", split + "/a-{}_jpg.rf.1_mask.png")
    assert find_layout(tmp_path).layout == "one folder"
    assert names(tmp_path) == {split: [f"a-{name}_jpg.rf.1" for name in "123"] for split in ("train", "val")}


@pytest.mark.parametrize("word", ["valid", "validation", "val", "Valid"])
@pytest.mark.parametrize("pattern", ["{split}/images/{{}}.png", "images/{split}/{{}}.png", "{split}/{{}}.png"])
def test_whatever_validation_is_called_it_is_val(tmp_path: Path, word: str, pattern: str) -> None:
    masks = pattern.replace("images/", "masks/") if "images/" in pattern else "{split}_labels/{{}}.png"
    for split in ("training", word):
        write_folders(tmp_path, pattern.format(split=split), masks.format(split=split))
    assert names(tmp_path) == {"train": ["1", "2", "3"], "val": ["1", "2", "3"]}


def test_two_folders_that_mean_one_split_are_refused(tmp_path: Path, refused: Refused) -> None:
    for split in ("val", "valid"):
        write_folders(tmp_path, split + "/images/{}.png", split + "/masks/{}.png")
    with refused("val and valid both mean val; need one"):
        find_pairs(tmp_path)


def test_frames_of_towns_are_told_apart(tmp_path: Path) -> None:
    for town in ("aachen", "bonn"):
        write_folders(tmp_path, f"images/train/{town}/{{}}.jpg", f"labels/train/{town}/{{}}.png", "1")
    assert names(tmp_path) == {"train": ["aachen_1", "bonn_1"]}


def test_lists_say_the_splits_of_voc_and_images_without_masks_are_for_other_tasks(tmp_path: Path) -> None:
    write_folders(tmp_path, "JPEGImages/{}.jpg", "SegmentationClass/{}.png", "1234")
    write_files(tmp_path, {"JPEGImages/9.jpg": photo(), "SegmentationObject/1.png": LABEL_IDS})
    assert names(tmp_path) == {"all": ["1", "2", "3", "4"]}
    for split, listed in (("train", "3\n1\n"), ("val", "2\n"), ("trainval", "1\n2\n3\n")):
        (tmp_path / "ImageSets/Segmentation").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"ImageSets/Segmentation/{split}.txt").write_text(listed)
    assert names(tmp_path) == {"train": ["1", "3"], "val": ["2"]}


def test_lists_of_voc_hold_names_with_spaces_and_each_name_needs_its_image(tmp_path: Path, refused: Refused) -> None:
    for name in ("a street", "b street", "c"):
        write_files(tmp_path, {f"JPEGImages/{name}.jpg": photo(), f"SegmentationClass/{name}.png": LABEL_IDS})
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text('"a street"\r\nc\r\n', encoding="utf-8-sig")
    (lists / "val.txt").write_text("b street \n\n")
    assert names(tmp_path) == {"train": ["a street", "c"], "val": ["b street"]}
    (lists / "val.txt").write_text("b street\nd\n")
    with refused("1 files without their pair, .*val.txt; add d or remove it"):
        find_pairs(tmp_path)


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
    write_files(tmp_path, {"preview.png": photo(), "notes/sketch.jpg": photo(1)})
    (tmp_path / "train/leftImg/folder.png").mkdir()
    assert names(tmp_path) == {"train": ["0001"]}


def test_a_link_that_leads_round_ends(tmp_path: Path, write_pair: WritePair) -> None:
    write_pair(tmp_path / "train", "0001")
    (tmp_path / "train/again").symlink_to(tmp_path)
    assert names(tmp_path) == {"train": ["0001"]}


@pytest.mark.parametrize("name", ["Straße 街 ü", "n" * 200])
@pytest.mark.parametrize(
    "files",
    [
        ["leftImg8bit/s/c/{}_leftImg8bit.png", "gtFine/s/c/{}_gtFine_labelIds.png"],
        ["s/leftImg/{}.png", "s/labelIds/{}.png"],
        ["s/images/{}.jpg", "s/masks/{}.png"],
    ],
    ids=["official", "pairs", "plain"],
)
def test_names_may_be_long_and_of_any_script(tmp_path: Path, name: str, files: list[str]) -> None:
    touch(tmp_path, *(file.format(name) for file in files))
    assert names(tmp_path) == {"s": [name]}


# What is refused


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_photos_are_no_side_by_side_images(tmp_path: Path, refused: Refused, suffix: str) -> None:
    """A folder of labelme: photos and JSON."""
    for index in range(4):
        save(tmp_path / f"f{index}.{suffix}", photo(index))
        (tmp_path / f"f{index}.json").write_text('{"shapes": []}')
    with refused(r"no labelled images found, .* taken as side by side, .*f0\..*: .*% of its pixels"):
        find_layout(tmp_path)


def test_masks_alone_are_no_side_by_side_images(tmp_path: Path, refused: Refused) -> None:
    for index in range(4):
        save(tmp_path / f"train/f{index}.png", COLOURS)
    with refused("both halves are labels; need an image in the left one"):
        find_layout(tmp_path)


def test_side_by_side_images_show_more_than_one_class(tmp_path: Path, refused: Refused) -> None:
    """A single colour, such as the black border of photos, is not enough."""
    save(tmp_path / "a.png", np.concatenate([photo(), np.zeros_like(photo())], axis=1))
    with refused("right halves show one class alone"):
        find_layout(tmp_path)


@pytest.mark.parametrize("pixels", [photo(), photo()[..., 0]], ids=["RGB", "grey"])
@pytest.mark.parametrize("masks", ["masks/{}.png", "masks/{}.jpg", "masks/{}.tif"])
def test_photos_in_place_of_masks_are_refused_with_what_was_seen(
    tmp_path: Path, refused: Refused, masks: str, pixels: np.ndarray
) -> None:
    for name in "123":
        write_files(tmp_path, {f"images/{name}.jpg": photo(1), masks.format(name): pixels})
    with refused("masks/1.*% of its pixels"):
        find_layout(tmp_path)


def test_cvat_is_refused_in_another_space_than_its_own(tmp_path: Path, refused: Refused) -> None:
    for name in "123":
        colours = TWO.palette()[TWO_CLASSES]
        files = {
            "JPEGImages/{}.jpg": photo(),
            "SegmentationClass/{}.png": colours,
            "SegmentationObject/{}.png": colours,
        }
        write_files(tmp_path, {pattern.format(name): pixels for pattern, pixels in files.items()})
    with refused("SegmentationClass/1.png: 33.3% of its pixels belong to no class of cityscapes-29: colour 128,0,0"):
        find_layout(tmp_path, CITYSCAPES_29)
    found = find_layout(tmp_path, TWO)
    assert (found.layout, set(found.splits), found.alone) == ("VOC", {"all"}, [])
    assert {Path(str(pair.labels)).parent.name for pair in found.pairs} == {"SegmentationClass"}


def test_two_layouts_in_one_folder_are_refused(tmp_path: Path, refused: Refused, write_pair: WritePair) -> None:
    write_pair(tmp_path / "train", "1")
    save(tmp_path / "val/1.png", side_by_side())
    with refused(f"{tmp_path}: has the layouts pairs and side by side; need one"):
        find_layout(tmp_path)
    write_folders(tmp_path / "other", "images/{}.png", "masks/{}.png")
    write_folders(tmp_path / "other", "images/{}.png", "labels/{}.png")
    with refused("has the layouts images and labels and plain; need one"):
        find_layout(tmp_path / "other")


@pytest.mark.parametrize("masks", ["masks", "labels"])
def test_the_folder_that_holds_labels_is_taken(tmp_path: Path, masks: str) -> None:
    """There is another folder beside it, for example of labels in colours for people."""
    write_folders(tmp_path, "images/{}.png", masks + "/{}.png")
    write_files(tmp_path, {f"{'labels' if masks == 'masks' else 'masks'}/{name}.png": photo(3) for name in "123"})
    assert {Path(str(pair.labels)).parent.name for pair in find_layout(tmp_path).pairs} == {masks}


@pytest.mark.parametrize(
    ("there", "lacking"), [("leftImg", "labelIds"), ("labelIds", "leftImg"), ("images", "masks"), ("masks", "images")]
)
def test_files_without_their_pair_are_refused(tmp_path: Path, refused: Refused, there: str, lacking: str) -> None:
    touch(tmp_path, *(f"train/{there}/{name}.png" for name in "123"), f"train/{lacking}/1.png")
    first = f"{tmp_path}/train/{there}/2.png"
    with refused(f"2 files without their pair, the first is {first}; add train/{lacking}/2 or remove it"):
        find_pairs(tmp_path)


@pytest.mark.parametrize("alone", [0, 1])
def test_official_files_without_their_pair_are_refused(tmp_path: Path, refused: Refused, alone: int) -> None:
    lone = official("train", "b", "labelIds")
    touch(tmp_path, *official("train", "a", "labelIds"), lone[alone])
    with refused(f"1 files without their pair, the first is {tmp_path / lone[alone]}; add {lone[1 - alone]} or remove"):
        find_pairs(tmp_path)


@pytest.mark.parametrize(
    ("there", "lacking"),
    [
        ("train/leftImg", "train/labelIds"),
        ("images/train", "masks/train"),
        ("JPEGImages", "SegmentationClass"),
        ("img_dir/val", "ann_dir/val"),
        ("ann_dir/val", "img_dir/val"),
        ("labels", "images"),
    ],
)
def test_a_folder_without_its_partner_says_which_that_is(
    tmp_path: Path, refused: Refused, there: str, lacking: str
) -> None:
    save(tmp_path / there / "1.png", photo())
    if there == "JPEGImages":  # some of whose images are for other tasks
        (tmp_path / "ImageSets/Segmentation").mkdir(parents=True)
        (tmp_path / "ImageSets/Segmentation/train.txt").write_text("1\n")
    with refused(f"1 files without their pair, .*{there}/1.png; add {lacking}/1 or remove it"):
        find_pairs(tmp_path)


@pytest.mark.parametrize("folder", ["train/leftImg", "train/labelIds", "images", "train"])
def test_one_name_twice_in_a_folder_is_refused(tmp_path: Path, refused: Refused, folder: str) -> None:
    touch(tmp_path, f"{folder}/0001.jpg", f"{folder}/0001.png", *(["masks/0001.png"] if folder != "train" else []))
    with refused(f"{tmp_path / folder}: 0001.jpg and 0001.png have one name; remove one"):
        find_pairs(tmp_path)


@pytest.mark.parametrize("folders", [[], ["train/leftImg", "train/labelIds"], ["images", "masks"]])
def test_a_folder_without_images_is_refused_with_what_is_needed(
    tmp_path: Path, refused: Refused, folders: list[str]
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with refused(
        f"{tmp_path}: no labelled images found; need leftImg8bit/ and gtFine/, images/ and masks/, folders of other "
        r"known names, SPLIT/ of side-by-side images, or another tool's annotations \(see seg-data prepare --help\)"
    ):
        find_pairs(tmp_path)


@pytest.mark.parametrize("name", ["missing", "file.txt"])
def test_a_source_that_is_no_folder_is_refused(tmp_path: Path, refused: Refused, name: str) -> None:
    touch(tmp_path, "file.txt")
    with refused(f"{name}: (a file|no such folder); need a folder with labelled images"):
        find_pairs(tmp_path / name)
