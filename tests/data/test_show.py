"""`show`: two PNGs of what a prepared dataset holds."""

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from helpers.images import read_image
from helpers.labelled_files import photo, save
from segdata.dataset.dataset import Dataset
from segdata.dataset.show import balance, sheet
from segdata.images.size import Size
from segdata.labels import CITYSCAPES_29
from segdata.options import PrepareOptions, ShowOptions
from segdata.prepare.prepare import prepare
from segdata.prepare.show import show

Refused = Callable[..., AbstractContextManager[None]]
WritePair = Callable[..., None]

VAL = 5


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory, write_pair: WritePair) -> dict[str, Path]:
    """A train frame and 5 of val, prepared square and wide, by the folder's name."""
    folder = tmp_path_factory.mktemp("show")
    write_pair(folder / "source/train", "0000", seed=9)
    for index in range(VAL):
        write_pair(folder / "source/val", f"{index:04}", seed=index)
    options = PrepareOptions(source=folder / "source", target=folder / "out", sizes=(Size(64, 64), Size(32, 96)))
    datasets = prepare(options).datasets
    return {dataset.folder.name: dataset.folder for dataset in datasets}


def read_png(file: Path) -> npt.NDArray[np.uint8]:
    """Return the RGB pixels of what must be a PNG."""
    assert file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    image = read_image(file, cv2.IMREAD_COLOR_RGB)
    assert min(image.shape[:2]) > 100
    return image


def packed(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return RGB colours as one number each."""
    return np.asarray(colours.astype(np.int64) @ [65536, 256, 1])


def titles(dataset: Dataset, frames: list[int]) -> list[str]:
    """Return the names at the rows of a sheet of `frames`."""
    split = dataset.split("val")
    rows = [(split.names[index], split.images[index], split.labels[index]) for index in frames]
    return [axis.get_ylabel() for axis in sheet(dataset.facts, rows).axes if axis.get_ylabel()]


@pytest.mark.parametrize("folder", ["64", "96x32"])
@pytest.mark.parametrize("frames", [1, 3, 100])
def test_the_sheet_shows_the_classes_in_their_colours(
    streets: dict[str, Path], tmp_path: Path, folder: str, frames: int
) -> None:
    paths = show(ShowOptions(dataset=streets[folder], output=tmp_path / "deep/er", frames=frames))
    assert paths == [tmp_path / "deep/er/sheet.png", tmp_path / "deep/er/classes.png"]
    assert sorted(path.name for path in (tmp_path / "deep/er").iterdir()) == ["classes.png", "sheet.png"]
    sheet_pixels, _ = (read_png(path) for path in paths)
    split = Dataset(streets[folder]).split("val")
    chosen = {1: [0], 3: [0, 2, 4], 100: range(VAL)}[frames]
    for class_id in np.unique(split.labels[list(chosen)]):
        colour = packed(np.asarray(CITYSCAPES_29.colours[class_id], dtype=np.uint8))
        share = np.mean(np.asarray(split.labels)[list(chosen)] == class_id)
        # A third of the pictures are labels, which are more than a tenth of the sheet, if not drawn to the pixel.
        assert np.mean(packed(sheet_pixels) == colour) > 0.1 * share


def test_the_sheet_has_image_labels_and_both(streets: dict[str, Path]) -> None:
    dataset = Dataset(streets["96x32"])
    split = dataset.split("val")
    figure = sheet(dataset.facts, [("first", split.images[0], split.labels[0])])
    image, labels, both = (np.asarray(axis.images[0].get_array()) for axis in figure.axes)
    coloured = CITYSCAPES_29.palette()[split.labels[0]]
    assert np.array_equal(image, split.images[0])
    assert np.array_equal(labels, coloured)
    assert np.abs(both.astype(float) - (image.astype(float) + coloured) / 2).max() <= 0.5
    named = {text.get_text() for text in figure.legends[0].get_texts()}
    assert named == {CITYSCAPES_29.names[class_id] for class_id in np.unique(split.labels[0])}


def test_the_classes_are_as_common_as_they_are_drawn(streets: dict[str, Path]) -> None:
    dataset = Dataset(streets["64"])
    axis = balance(dataset.facts).axes[0]
    assert axis.get_xscale() == "log"
    assert [text.get_text() for text in axis.get_yticklabels()] == list(CITYSCAPES_29.names)
    for bars, name in zip(axis.containers, ("train", "val"), strict=True):
        counts = np.bincount(dataset.split(name).labels.ravel(), minlength=256)[: CITYSCAPES_29.class_count]
        assert np.allclose([bar.get_width() for bar in bars], 100 * counts / counts.sum())


def test_the_dataset_is_left_as_it_was(streets: dict[str, Path], tmp_path: Path) -> None:
    files = sorted(streets["64"].iterdir())
    before = [(file, file.stat().st_mtime_ns, file.read_bytes()) for file in files]
    show(ShowOptions(dataset=streets["64"], output=tmp_path))
    files = sorted(streets["64"].iterdir())
    assert [(file, file.stat().st_mtime_ns, file.read_bytes()) for file in files] == before


def test_a_second_sheet_replaces_the_first(streets: dict[str, Path], tmp_path: Path) -> None:
    many = read_png(show(ShowOptions(dataset=streets["64"], output=tmp_path))[0])
    one = read_png(show(ShowOptions(dataset=streets["64"], output=tmp_path, frames=1))[0])
    assert one.shape[0] < many.shape[0]


def test_names_of_any_kind_are_drawn(streets: dict[str, Path], tmp_path: Path) -> None:
    """Long names, names with missing glyphs, and names that look like formulas; a warning would fail this test."""
    names = ["n" * 200 + "end", "日本 🚗", r"$\frac$", "a$b$_c"]
    copy = shutil.copytree(streets["64"], tmp_path / "copy")
    facts = json.loads((copy / "dataset.json").read_text())
    facts["source"] = names[2] + names[0]
    facts["splits"]["val"]["names"][:4] = names
    facts["class_names"][:4] = [r"$\frac$", "ü$x$", "日", "_n"]
    (copy / "dataset.json").write_text(json.dumps(facts))
    for path in show(ShowOptions(dataset=copy, output=tmp_path / "shown")):
        assert read_png(path).shape[1] < 1500
    drawn = titles(Dataset(copy), [0, 1, 2, 3])
    assert drawn[1:] == names[1:]
    assert drawn[0].endswith("nnend")
    assert len(drawn[0]) < 40


def test_labels_without_any_class_are_drawn(streets: dict[str, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(streets["64"], tmp_path / "copy")
    facts = json.loads((copy / "dataset.json").read_text())
    for name, split in facts["splits"].items():
        split["class_pixels"] = [0] * len(split["class_pixels"])
        np.save(copy / f"{name}_labels.npy", np.full((len(split["names"]), 64, 64), 255, dtype=np.uint8))
    (copy / "dataset.json").write_text(json.dumps(facts))
    for path in show(ShowOptions(dataset=copy, output=tmp_path / "shown")):
        read_png(path)


@pytest.mark.parametrize(("width", "height"), [(512, 16), (16, 512)])
def test_frames_of_any_shape_are_drawn(tmp_path: Path, write_pair: WritePair, width: int, height: int) -> None:
    write_pair(tmp_path / "source/val", "0000")
    options = PrepareOptions(source=tmp_path / "source", target=tmp_path / "out", sizes=(Size(height, width),))
    prepare(options)
    read_png(show(ShowOptions(dataset=tmp_path / "out", output=tmp_path / "shown"))[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "test"}, "got the split test, this dataset has train, val"),
        ({"frames": 0}, "got 0 frames, need 1 to 100"),
        ({"frames": -1}, "got -1 frames, need 1 to 100"),
        ({"frames": 101}, "got 101 frames, need 1 to 100"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    streets: dict[str, Path], tmp_path: Path, refused: Refused, change: dict[str, Any], message: str
) -> None:
    with refused(message):
        show(ShowOptions(dataset=streets["64"], output=tmp_path / "shown", **change))
    assert not (tmp_path / "shown").exists()


def test_an_empty_split_is_refused(streets: dict[str, Path], tmp_path: Path, refused: Refused) -> None:
    copy = shutil.copytree(streets["64"], tmp_path / "copy")
    facts = json.loads((copy / "dataset.json").read_text())
    facts["splits"]["val"] |= {"names": [], "sha256": []}
    facts["calibration"] = []
    (copy / "dataset.json").write_text(json.dumps(facts))
    np.save(copy / "val_images.npy", np.zeros((0, 64, 64, 3), dtype=np.uint8))
    np.save(copy / "val_labels.npy", np.zeros((0, 64, 64), dtype=np.uint8))
    with refused("copy: the split val is empty; name another"):
        show(ShowOptions(dataset=copy, output=tmp_path / "shown"))


def test_no_dataset_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused("no labelled images found; need"):
        show(ShowOptions(dataset=tmp_path, output=tmp_path / "shown"))
    with refused("no such folder, need a dataset"):
        show(ShowOptions(dataset=tmp_path / "nowhere", output=tmp_path / "shown"))


def test_labelled_images_are_shown_as_they_would_be_prepared(tmp_path: Path, write_pair: WritePair) -> None:
    """At the size that they are shown in, the pictures of a prepared dataset are the same."""
    for index in range(6):
        write_pair(
            tmp_path / "streets" / ("val" if index else "train"), f"{index:04}", seed=index, height=128, width=256
        )
    prepare(PrepareOptions(source=tmp_path / "streets", target=tmp_path / "made", sizes=(Size(256, 512),)))
    for source, output in (("streets", "before"), ("made", "after")):
        show(ShowOptions(dataset=tmp_path / source, output=tmp_path / output, frames=3))
    for name in ("sheet.png", "classes.png"):
        before, after = (read_png(tmp_path / folder / name) for folder in ("before", "after"))
        assert np.array_equal(before, after)


def test_without_val_the_first_split_is_shown(tmp_path: Path, write_pair: WritePair, refused: Refused) -> None:
    write_pair(tmp_path / "streets/train", "0", seed=1, height=48, width=64)
    assert show(ShowOptions(dataset=tmp_path / "streets", output=tmp_path / "shown"))[0].is_file()
    with refused("got the split val, this dataset has train"):
        show(ShowOptions(dataset=tmp_path / "streets", output=tmp_path / "shown", split="val"))


def test_a_file_in_the_way_is_refused(streets: dict[str, Path], tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "file").write_text("mine")
    with refused(r"cannot write .*file/sheet\.png"):
        show(ShowOptions(dataset=streets["64"], output=tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(("height", "width"), [(2, 900), (900, 2), (1, 1)])
def test_strips_are_shown(height: int, width: int, tmp_path: Path) -> None:
    save(tmp_path / "source/images/1.png", photo(0, height, width))
    mask = np.full((height, width), 7, np.uint8)
    mask[: height // 2, : width // 2] = 23
    save(tmp_path / "source/masks/1.png", mask)
    for path in show(ShowOptions(dataset=tmp_path / "source", output=tmp_path / "out", ids="label")):
        read_png(path)
