"""Hugging Face's folders for image segmentation: tables that name images and masks, Parquet files that hold them."""

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.commands import run_command
from helpers.hugging_face import IMAGES, Array, encoded, write_parquet, write_table
from helpers.images import read_image
from helpers.labelled_files import photo, save
from segdata.classes import write_classes
from segdata.labels import LabelSpace
from segdata.options import ClassesOptions
from segdata.prepare.label_files import find_label_space
from segdata.prepare.labels.reading import read_pair
from segdata.prepare.layouts.find import complete, find_layout

Refused = Callable[..., AbstractContextManager[None]]

HEIGHT, WIDTH = 16, 24
SPACE = LabelSpace(
    "three", ("flat road", "car", "sky"), ((1, 1, 1), (200, 2, 2), (3, 3, 200)), ((1,), (2,), (3,)), ignored_ids=(0,)
)
NAMES = {"0": "flat-road", "5": "Car", "9": "sky"}
PHOTOS = [photo(seed, HEIGHT, WIDTH) for seed in range(5)]


def mask(seed: int, values: tuple[int, ...] = (0, 5, 9, 255)) -> Array:
    """Return blocks of 8 pixels."""
    chosen = np.random.default_rng(seed).choice(values, (HEIGHT // 8, WIDTH // 8))
    return np.asarray(chosen.repeat(8, 0).repeat(8, 1), np.uint8)


def classes(ids: Array) -> Array:
    """Return what the ids of NAMES are in SPACE."""
    return np.select([ids == 0, ids == 5, ids == 9], [0, 1, 2], 255).astype(np.uint8)


def rows(count: int = 5, values: tuple[int, ...] = (0, 5, 9, 255)) -> list[tuple[bytes, bytes]]:
    return [(encoded(PHOTOS[index]), encoded(mask(index, values))) for index in range(count)]


def write_names(source: Path, names: Any = NAMES) -> None:  # noqa: ANN401 - any JSON
    source.mkdir(exist_ok=True)
    (source / "id2label.json").write_text(json.dumps(names))


def write_folder(source: Path, split: str = "train", key: str = "image_file_name", label: str = "label") -> None:
    """Write three images, their masks in a folder of their own, and metadata.jsonl."""
    table = []
    for index in range(3):
        save(source / split / f"{index}.jpg", PHOTOS[index])
        save(source / split / "label" / f"{index}.png", mask(index))
        table.append({key: f"{index}.jpg", f"{label}_file_name": f"label/{index}.png", "text": "a street"})
    write_table(source / split, table)


@pytest.mark.parametrize(
    ("key", "label"), [("file_name", "mask"), ("image_file_name", "label"), ("pixel_values_file_name", "annotation")]
)
def test_a_table_names_images_and_masks(tmp_path: Path, key: str, label: str) -> None:
    write_folder(tmp_path, "train", key, label)
    write_folder(tmp_path, "validation", key, label)
    write_names(tmp_path)
    found = find_layout(tmp_path, SPACE)
    assert found.layout == "Hugging Face"
    assert {split: [pair.name for pair in pairs] for split, pairs in found.splits.items()} == {
        "train": ["0", "1", "2"],
        "val": ["0", "1", "2"],
    }
    for index, pair in enumerate(found.splits["val"]):
        frame = read_pair(pair, SPACE)
        assert np.array_equal(frame.image, read_image(tmp_path / "validation" / f"{index}.jpg")[..., ::-1])
        assert np.array_equal(frame.labels, classes(mask(index)))


def test_a_table_may_be_csv_above_the_splits(tmp_path: Path) -> None:
    for split in ("train", "test"):
        save(tmp_path / split / "a.png", PHOTOS[0])
        save(tmp_path / f"{split}_masks" / "a.png", mask(0))
    lines = ["file_name,mask_file_name", "train/a.png,train_masks/a.png", "test/a.png,test_masks/a.png"]
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    write_names(tmp_path)
    assert sorted(find_layout(tmp_path, SPACE).splits) == ["test", "train"]


def test_without_names_masks_hold_the_ids_of_the_label_space(tmp_path: Path) -> None:
    ids = (0, 1, 2, 3)
    write_parquet(tmp_path / "data/train-00000-of-00001.parquet", rows(3, ids))
    for index, pair in enumerate(find_layout(tmp_path, SPACE).pairs):
        wanted = np.where(mask(index, ids) == 0, 255, mask(index, ids) - 1)
        assert np.array_equal(read_pair(pair, SPACE).labels, wanted)


def test_shards_of_parquet_are_read_row_by_row(tmp_path: Path) -> None:
    write_parquet(tmp_path / "data/train-00000-of-00002-0a1b.parquet", rows(3))
    write_parquet(tmp_path / "data/train-00001-of-00002-0a1b.parquet", rows(5)[3:])
    write_parquet(tmp_path / "data/validation-00000-of-00001-0a1b.parquet", rows(1))
    write_names(tmp_path)
    found = find_layout(tmp_path, SPACE)
    assert {split: len(pairs) for split, pairs in found.splits.items()} == {"train": 5, "val": 1}
    for index in (4, 0, 3, 1, 2, 0):
        frame = read_pair(found.splits["train"][index], SPACE)
        assert np.array_equal(frame.image, PHOTOS[index])
        assert np.array_equal(frame.labels, classes(mask(index)))


def test_names_may_be_those_of_the_masks_feature(tmp_path: Path) -> None:
    names = {"_type": "Sequence", "feature": {"_type": "ClassLabel", "names": ["sky", "Car", "flat-road"]}}
    write_parquet(tmp_path / "train.parquet", rows(2, (0, 1, 2)), IMAGES | {"label": names})
    (pair, _) = find_layout(tmp_path, SPACE).pairs
    assert np.array_equal(read_pair(pair, SPACE).labels, 2 - mask(0, (0, 1, 2)))


def test_names_become_a_label_space(tmp_path: Path) -> None:
    source = tmp_path / "sidewalks"
    write_parquet(source / "train.parquet", rows(2))
    write_names(source)
    made = write_classes(ClassesOptions(source=source, output=tmp_path / "own.toml"))
    assert (made.names, made.label_ids) == (("flat-road", "Car", "sky"), ((0,), (5,), (9,)))
    space = find_label_space(str(tmp_path / "own.toml"))
    frame = read_pair(find_layout(source, space).pairs[0], space)
    assert np.array_equal(frame.labels, classes(mask(0)))


def test_a_parquet_dataset_is_checked_prepared_converted_and_shown(tmp_path: Path) -> None:
    source, made = tmp_path / "streets", tmp_path / "made"
    names = {"0": "road", "5": "car", "9": "sky"}
    write_parquet(source / "data/train-00000-of-00001.parquet", rows())
    write_names(source, names)
    for words in (
        ("check", source),
        ("prepare", source, made, "--size", "16"),
        ("convert", source, tmp_path / "png", "--to", "png"),
        ("show", source, "-o", tmp_path / "before"),
        ("show", made, "-o", tmp_path / "after"),
    ):
        ran = run_command("seg-data", *words)
        assert ran.returncode == 0, ran.stderr
    again = find_layout(tmp_path / "png").pairs
    assert len(again) == 5
    assert np.array_equal(read_pair(again[0], find_label_space("cityscapes-29")).image, PHOTOS[0])


def test_photos_with_captions_are_no_masks(tmp_path: Path) -> None:
    for index in range(3):
        save(tmp_path / "images" / f"{index}.png", PHOTOS[index])
        save(tmp_path / "masks" / f"{index}.png", mask(index, (1, 2, 3)))
    write_table(tmp_path / "images", [{"file_name": "0.png", "text": "a street"}])
    assert find_layout(tmp_path, SPACE).layout == "plain"


def test_what_is_missing_is_told(tmp_path: Path, refused: Refused) -> None:
    write_folder(tmp_path)
    write_names(tmp_path)
    (tmp_path / "train/label/1.png").unlink()
    with refused("1 files without their pair, the first is .*metadata.jsonl; add label/1.png or remove it"):
        complete(tmp_path, find_layout(tmp_path, SPACE))


def test_a_missing_name_without_end_is_told_in_one_short_line(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_names(tmp_path)
    write_table(tmp_path / "train", [{"file_name": "0.jpg", "label_file_name": "x" * 100_000}])
    (alone,) = find_layout(tmp_path, SPACE).alone
    assert len(alone.missing) < 300


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/secret.png", "C:\\secret.png"])
def test_names_that_lead_out_are_refused(tmp_path: Path, refused: Refused, name: str) -> None:
    write_folder(tmp_path / "in")
    write_table(tmp_path / "in/train", [{"file_name": "0.jpg", "label_file_name": name}])
    save(tmp_path / "secret.png", mask(0))
    with refused("leads out of"):
        find_layout(tmp_path / "in", SPACE)


def test_a_name_that_is_no_class_is_refused_with_the_way_out(tmp_path: Path, refused: Refused) -> None:
    write_folder(tmp_path)
    write_names(tmp_path, NAMES | {"7": "tram"})
    with refused("Hugging Face annotations of tram, not in three; seg-data classes SOURCE"):
        find_layout(tmp_path, SPACE)


def test_an_id_without_a_name_is_refused(tmp_path: Path, refused: Refused) -> None:
    write_parquet(tmp_path / "train.parquet", rows(3, (0, 5, 77)))
    write_names(tmp_path)
    with refused(r"label of row 0: .* no class of three in this dataset's ids: id 77"):
        find_layout(tmp_path, SPACE)


def test_masks_in_colours_have_no_names(tmp_path: Path, refused: Refused) -> None:
    write_parquet(tmp_path / "train.parquet", [(encoded(PHOTOS[0]), encoded(SPACE.palette()[mask(0, (0, 1, 2))]))])
    write_names(tmp_path)
    with refused("label of row 0: RGB PNG of 8 bits, need ids"):
        find_layout(tmp_path, SPACE)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "no names; need"),
        ({}, "no names; need"),
        ({"road": 0}, "the id 'road', need a number from 0 to 255"),
        ({"300": "road"}, "the id '300', need a number"),
        ({"0": ["road"]}, "need a name of one line"),
    ],
)
def test_names_that_are_none_are_refused(tmp_path: Path, refused: Refused, names: object, said: str) -> None:
    write_folder(tmp_path)
    write_names(tmp_path, names)
    with refused(said):
        find_layout(tmp_path, SPACE)


def test_columns_that_may_be_either_are_refused(tmp_path: Path, refused: Refused) -> None:
    write_parquet(tmp_path / "train.parquet", rows(2), columns=("before", "after"))
    with refused("images in the columns before, after; need one called image and one called label or mask"):
        find_layout(tmp_path, SPACE)


def test_images_that_are_elsewhere_are_refused(tmp_path: Path, refused: Refused) -> None:
    write_parquet(tmp_path / "train.parquet", [(None, encoded(mask(0, (1, 2))))])
    (pair,) = find_layout(tmp_path, SPACE).pairs
    with refused("image of row 0: no image in the file; need its bytes, as push_to_hub writes them"):
        read_pair(pair, SPACE)


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_half_a_parquet_file_is_refused(tmp_path: Path, refused: Refused, keep: float) -> None:
    file = tmp_path / "train.parquet"
    write_parquet(file, rows(5))
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * keep)] + b"huggingface")
    with refused("train.parquet: not a complete Parquet"):
        find_layout(tmp_path, SPACE)


def test_a_table_that_is_no_json_is_refused(tmp_path: Path, refused: Refused) -> None:
    write_folder(tmp_path)
    (tmp_path / "train/metadata.jsonl").write_text('{"file_name": "0.jpg", "label_file_name": "label/0.png"}\n[1]\n')
    with refused("metadata.jsonl: not a complete table"):
        find_layout(tmp_path, SPACE)


@pytest.mark.parametrize("module", ["pyarrow", "yaml", "pycocotools"])
def test_a_missing_library_is_one_line_that_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    write_parquet(tmp_path / "pyarrow" / "train.parquet", rows(2))
    save(tmp_path / "yaml/images/train/a.png", PHOTOS[0])
    (tmp_path / "yaml/data.yaml").write_text("train: images/train\nnames: [road]\n")
    save(tmp_path / "pycocotools/a.png", PHOTOS[0])
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 9, 0, 9, 9]]}
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [annotation],
        "categories": [{"id": 1, "name": "road"}],
    }
    (tmp_path / "pycocotools/instances.json").write_text(json.dumps(content))
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Without(module), *sys.meta_path])
    ran = run_command("seg-data", "check", tmp_path / module)
    package = "pyyaml" if module == "yaml" else module
    assert ran.returncode == 5
    assert ran.stderr.splitlines()[-1] == f"Error: {package} is not installed; run: pip install 'edgeseg[formats]'"


class _Without:
    """Hides the module of one name, as if it were not installed."""

    def __init__(self, module: str) -> None:
        self._module = module

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] == self._module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
