"""Mapillary Vistas, BDD100K and CamVid: their classes, and the folders that they come in."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from cityscapesscripts.helpers.labels import labels as every_official_label
from PIL import Image

from helpers.commands import run_command
from helpers.labelled_files import indexed, photo, save
from helpers.prepare_runs import find_pairs
from segdata.labels import CITYSCAPES_29, LABEL_SPACES, LabelSpace
from segdata.prepare.labels.reading import read_pair
from segdata.prepare.layouts.find import find_layout

Array = npt.NDArray[np.uint8]
Refused = Callable[..., AbstractContextManager[None]]

HEIGHT, WIDTH = 32, 48
BDD, CAMVID, CAMVID_11, VISTAS_1, VISTAS_2 = (
    LABEL_SPACES[name] for name in ("bdd100k", "camvid", "camvid-11", "mapillary-v1.2", "mapillary-v2.0")
)


def blocks(values: Array, seed: int) -> Array:
    """Return blocks of 8 pixels of some of `values`: labels are flat."""
    chosen = np.random.default_rng(seed).choice(len(values), (HEIGHT // 8, WIDTH // 8))
    return np.asarray(values[chosen.repeat(8, 0).repeat(8, 1)], np.uint8)


def ids_of(space: LabelSpace) -> Array:
    """Return every id that masks of a space have."""
    return np.array([*(ids[0] for ids in space.label_ids), *space.ignored_ids], np.uint8)


def in_palette(ids: Array, space: LabelSpace) -> Image.Image:
    palette = np.zeros((256, 3), np.uint8)
    palette[[found[0] for found in space.label_ids]] = space.colours
    return indexed(ids, palette)


def write_vistas(source: Path, splits: tuple[str, ...] = ("training", "validation")) -> dict[str, Array]:
    """Write both versions as they are distributed, and return the masks by split and version."""
    masks = {}
    for index, split in enumerate(splits):
        save(source / split / "images" / f"{split}-1.jpg", photo(index, HEIGHT, WIDTH))
        for version, space in (("v1.2", VISTAS_1), ("v2.0", VISTAS_2)):
            mask = masks[f"{split} {version}"] = blocks(ids_of(space), index)
            save(source / split / version / "labels" / f"{split}-1.png", in_palette(mask, space))
            save(source / split / version / "instances" / f"{split}-1.png", photo(2, HEIGHT, WIDTH))
            panoptic = source / split / version / "panoptic" / "panoptic_2018.json"
            panoptic.parent.mkdir()
            panoptic.write_text('{"images": [], "annotations": [{"segments_info": []}], "categories": []}')
    save(source / "testing" / "images" / "unlabelled.jpg", photo(9, HEIGHT, WIDTH))
    return masks


def write_bdd(source: Path) -> Array:
    """Write the folders of 10K images and of their labels, and return the one mask."""
    mask = blocks(np.array([*range(19), 255], np.uint8), 0)
    for split in ("train", "val"):
        save(source / "images" / "10k" / split / "7d-00.jpg", photo(0, HEIGHT, WIDTH))
        save(source / "images" / "100k" / split / "7d-01.jpg", photo(1, HEIGHT, WIDTH))
        for kind in ("sem_seg", "drivable"):
            save(source / "labels" / kind / "masks" / split / "7d-00.png", mask)
            save(source / "labels" / kind / "colormaps" / split / "7d-00.png", CITYSCAPES_29.palette()[mask])
    return mask


def labels_of(source: Path, space: LabelSpace, split: str) -> Array:
    (pair,) = find_pairs(source, space)[split]
    return read_pair(pair, space).labels


@pytest.mark.parametrize(
    ("space", "count", "place", "name", "label_id", "colour"),
    [
        (VISTAS_1, 65, 55, "Car", 55, (0, 0, 142)),
        (VISTAS_1, 65, 64, "Ego Vehicle", 64, (120, 10, 10)),
        (VISTAS_2, 116, 0, "Bird", 0, (165, 42, 42)),
        (VISTAS_2, 116, 102, "Car", 108, (0, 0, 142)),
        (VISTAS_2, 116, 115, "Static", 122, (111, 111, 0)),
        (CAMVID, 31, 17, "Road", 17, (128, 64, 128)),
        (CAMVID, 31, 30, "Wall", 31, (64, 192, 0)),
        (CAMVID_11, 11, 8, "Car", 8, (64, 0, 128)),
    ],
)
def test_classes_have_the_numbers_and_colours_of_those_who_made_them(
    space: LabelSpace, count: int, place: int, name: str, label_id: int, colour: tuple[int, int, int]
) -> None:
    assert space.class_count == count
    assert (space.names[place], space.label_ids[place], space.colours[place]) == (name, (label_id,), colour)


@pytest.mark.parametrize("space", [VISTAS_1, VISTAS_2, CAMVID, CAMVID_11, BDD], ids=lambda space: space.name)
def test_each_id_stands_for_one_class_or_for_none(space: LabelSpace) -> None:
    ids = [*(label_id for found in space.label_ids for label_id in found), *space.ignored_ids]
    assert sorted(ids) == list(range(len(ids)))
    assert len(set(space.names)) == space.class_count


def test_bdd100k_has_the_train_ids_of_cityscapes() -> None:
    official = {label.trainId: label for label in every_official_label if 0 <= label.trainId < 255}
    assert [ids[0] for ids in BDD.label_ids] == sorted(official)
    assert [(official[ids[0]].name, official[ids[0]].color) for ids in BDD.label_ids] == list(
        zip(BDD.names, BDD.colours, strict=True)
    )


@pytest.mark.parametrize(("space", "version"), [(VISTAS_1, "v1.2"), (VISTAS_2, "v2.0")], ids=lambda one: str(one)[:8])
def test_mapillary_vistas_is_read_by_the_version_of_its_space(tmp_path: Path, space: LabelSpace, version: str) -> None:
    masks = write_vistas(tmp_path)
    found = find_layout(tmp_path, space)
    assert found.layout == f"Mapillary Vistas {version}"
    assert not found.alone
    assert {split: [pair.name for pair in pairs] for split, pairs in found.splits.items()} == {
        "train": ["training-1"],
        "val": ["validation-1"],
    }
    for split, folder in (("train", "training"), ("val", "validation")):
        truth = space.lookup_from_label_ids()[masks[f"{folder} {version}"]]
        assert np.array_equal(labels_of(tmp_path, space, split), truth)


def test_mapillary_vistas_says_which_spaces_it_has(tmp_path: Path, refused: Refused) -> None:
    write_vistas(tmp_path)
    with refused(
        r"Mapillary Vistas v1.2 or Mapillary Vistas v2.0, whose ids are not those of cityscapes-29; "
        r"give --label-space mapillary-v1.2 or mapillary-v2.0"
    ):
        find_layout(tmp_path)


def test_an_image_of_mapillary_vistas_without_labels_is_told(tmp_path: Path) -> None:
    write_vistas(tmp_path)
    (tmp_path / "training/v1.2/labels/training-1.png").unlink()
    save(tmp_path / "training/v1.2/labels/other.png", blocks(ids_of(VISTAS_1), 3))
    lacking = {alone.file.name: Path(alone.missing).parent.name for alone in find_layout(tmp_path, VISTAS_1).alone}
    assert lacking == {"training-1.jpg": "labels", "other.png": "images"}


@pytest.mark.parametrize("root", ["", "bdd100k"])
@pytest.mark.parametrize("name", ["bdd100k", "cityscapes-29", "cityscapes-19", "cityscapes-8"])
def test_bdd100k_is_read_in_its_own_space_and_in_those_of_cityscapes(tmp_path: Path, name: str, root: str) -> None:
    mask = write_bdd(tmp_path / root)
    space = LABEL_SPACES[name]
    assert find_layout(tmp_path, space).layout == "BDD100K"
    by_train_id = np.full(256, 255, np.uint8)
    official = {label.trainId: label.id for label in every_official_label if 0 <= label.trainId < 255}
    for train_id, label_id in official.items():
        by_train_id[train_id] = train_id if space is BDD else space.lookup_from_label_ids()[label_id]
    assert np.array_equal(labels_of(tmp_path, space, "val"), by_train_id[mask])


def test_bdd100k_of_2018_has_endings(tmp_path: Path) -> None:
    mask = blocks(np.arange(19, dtype=np.uint8), 4)
    for name in ("0a0a0b1a-7c39d841", "0a0b16e4-93f8c456"):
        save(tmp_path / "bdd100k/seg/images/train" / f"{name}.jpg", photo(1, HEIGHT, WIDTH))
        save(tmp_path / "bdd100k/seg/labels/train" / f"{name}_train_id.png", mask)
        save(tmp_path / "bdd100k/seg/color_labels/train" / f"{name}_train_color.png", BDD.palette()[mask])
    found = find_layout(tmp_path, BDD)
    assert [pair.name for pair in found.splits["train"]] == ["0a0a0b1a-7c39d841", "0a0b16e4-93f8c456"]
    assert np.array_equal(read_pair(found.pairs[0], BDD).labels, mask)


def test_bdd100k_is_refused_in_classes_of_another_dataset(tmp_path: Path, refused: Refused) -> None:
    write_bdd(tmp_path)
    with refused("BDD100K, whose ids are not those of camvid; give --label-space bdd100k"):
        find_layout(tmp_path, CAMVID)


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("701_StillsRaw_full/{}.png", "LabeledApproved_full/{}_L.png"),
        ("train/{}.png", "train_labels/{}_L.png"),
        ("images/{}.png", "labels/{}_P.png"),
    ],
)
def test_camvid_is_read_in_colours_and_as_ids(tmp_path: Path, images: str, masks: str) -> None:
    ids = blocks(ids_of(CAMVID), 1)
    colours = np.zeros((32, 3), np.uint8)
    colours[[found[0] for found in CAMVID.label_ids]] = CAMVID.colours
    for name in ("0001TP_006690", "0016E5_07959"):
        save(tmp_path / images.format(name), photo(1, HEIGHT, WIDTH))
        save(tmp_path / masks.format(name), ids if "_P" in masks else colours[ids])
    found = find_layout(tmp_path, CAMVID)
    assert len(found.pairs) == 2
    for pair in found.pairs:
        assert np.array_equal(read_pair(pair, CAMVID).labels, CAMVID.lookup_from_label_ids()[ids])


def test_colours_of_another_dataset_say_whose_they_are(tmp_path: Path, refused: Refused) -> None:
    for name in "ab":
        save(tmp_path / f"train/{name}.png", photo(1, HEIGHT, WIDTH))
        save(tmp_path / f"train_labels/{name}_L.png", CAMVID.palette()[blocks(np.arange(31, dtype=np.uint8), 1)])
    with refused("no class of cityscapes-29: .*; its colours are those of --label-space camvid"):
        find_layout(tmp_path)


def test_segnets_copy_of_camvid_has_eleven_classes(tmp_path: Path) -> None:
    mask = blocks(np.arange(12, dtype=np.uint8), 2)
    for split in ("train", "val", "test"):
        save(tmp_path / split / "1.png", photo(1, HEIGHT, WIDTH))
        save(tmp_path / f"{split}annot" / "1.png", mask)
    assert find_layout(tmp_path, CAMVID_11).layout == "CamVid"
    assert np.array_equal(labels_of(tmp_path, CAMVID_11, "test"), np.where(mask == 11, 255, mask))


def test_masks_in_colours_that_classes_share_are_refused(tmp_path: Path, refused: Refused) -> None:
    for name in "ab":
        save(tmp_path / f"images/{name}.png", photo(1, HEIGHT, WIDTH))
        save(tmp_path / f"masks/{name}.png", VISTAS_2.palette()[blocks(np.arange(116, dtype=np.uint8), 1)])
    with refused("need ids: classes of mapillary-v2.0 share colours"):
        find_layout(tmp_path, VISTAS_2)


def test_mapillary_vistas_is_shown_before_and_after_it_is_prepared(tmp_path: Path) -> None:
    write_vistas(tmp_path / "vistas")
    made = tmp_path / "made"
    space = ("--label-space", "mapillary-v2.0")
    for index, words in enumerate(
        (
            ("show", tmp_path / "vistas", "-o", tmp_path / "0", *space),
            ("prepare", tmp_path / "vistas", made, "--size", "32", *space),
            ("show", made, "-o", tmp_path / "2"),
        )
    ):
        ran = run_command("seg-data", *words)
        assert ran.returncode == 0, ran.stderr
        assert "show" not in words or (tmp_path / f"{index}/sheet.png").is_file()
