"""Labelled images into the formats of other tools, by seg-data convert."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from helpers.prepare_runs import find_pairs
from segdata.convert import convert
from segdata.dataset.dataset import Dataset
from segdata.formats.writing.names import DatasetFormat
from segdata.formats.writing.open import DATASETS
from segdata.images.size import Size
from segdata.options import ConvertOptions, PrepareOptions, SynthOptions
from segdata.prepare.label_files import find_label_space
from segdata.prepare.labels.reading import read_pair
from segdata.prepare.prepare import prepare
from segdata.synth.write import write_synthetic

Refused = Callable[..., AbstractContextManager[None]]

READ_AGAIN: tuple[DatasetFormat, ...] = tuple(DATASETS)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("convert") / "street"
    write_synthetic(SynthOptions(target=target, train=2, val=2, size=Size(64, 96), seconds=0))
    return target


def labels_of(folder: Path, label_space: str = "cityscapes-29") -> dict[str, list[npt.NDArray[np.uint8]]]:
    space = find_label_space(label_space)
    return {
        split: [read_pair(pair, space).labels for pair in pairs] for split, pairs in find_pairs(folder, space).items()
    }


@pytest.mark.parametrize("first", READ_AGAIN)
@pytest.mark.parametrize("second", READ_AGAIN)
def test_labels_survive_every_pair_of_formats(
    first: DatasetFormat, second: DatasetFormat, street: Path, tmp_path: Path
) -> None:
    convert(ConvertOptions(source=street, target=tmp_path / "first", to=first))
    convert(ConvertOptions(source=tmp_path / "first", target=tmp_path / "second", to=second))
    truth, again = labels_of(street), labels_of(tmp_path / "second")
    assert again.keys() == truth.keys()
    for split, labels in truth.items():
        np.testing.assert_array_equal(again[split], labels)


@pytest.mark.parametrize("to", DATASETS)
def test_image_files_are_copied_as_they_are(to: DatasetFormat, street: Path, tmp_path: Path) -> None:
    report = convert(ConvertOptions(source=street, target=tmp_path / "out", to=to))
    assert report.frames == {"train": 2, "val": 2}
    assert report.label_space is None
    images = {path.read_bytes() for path in street.rglob("leftImg/*.png")}
    written = [path.read_bytes() for path in (tmp_path / "out").rglob("*.png")]
    assert len(images) == 4
    assert images <= set(written)


def test_a_prepared_dataset_is_converted_too(street: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    classes = "\n".join(
        f'    {{ name = "{name}", colour = [{index}, 0, 9], ids = {list(range(first, last))} }},'
        for index, (name, first, last) in enumerate((("void", 0, 7), ("way", 7, 11), ("rest", 11, 34)))
    )
    own.write_text(f'name = "own"\nclasses = [\n{classes}\n]\n')
    sizes = (Size(32, 48),)
    convert(ConvertOptions(source=street, target=tmp_path / "ids", to="png"))
    options = PrepareOptions(
        source=tmp_path / "ids", target=tmp_path / "set", sizes=sizes, any_size=True, label_space=str(own)
    )
    (dataset,) = prepare(options).datasets
    report = convert(ConvertOptions(source=tmp_path / "set", target=tmp_path / "png", to="png"))
    assert report.label_space == tmp_path / "png/labels.toml"
    prepare(replace(options, source=tmp_path / "png", target=tmp_path / "again", label_space=str(report.label_space)))
    again = Dataset(tmp_path / "again")
    assert (again.facts.class_names, again.facts.colours) == (dataset.facts.class_names, dataset.facts.colours)
    for split in ("train", "val"):
        np.testing.assert_array_equal(again.split(split).labels, dataset.split(split).labels)
        np.testing.assert_array_equal(again.split(split).images, dataset.split(split).images)


def test_what_is_there_stays(street: Path, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with refused("is there already; remove it, or name another folder"):
        convert(ConvertOptions(source=street, target=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_is_left_where_a_file_is_broken(street: Path, tmp_path: Path, refused: Refused) -> None:
    convert(ConvertOptions(source=street, target=tmp_path / "png", to="png"))
    broken = tmp_path / "png/images/val/0001.png"
    broken.write_bytes(broken.read_bytes()[:-100])
    with refused(r"0001\.png: not a whole image"):
        convert(ConvertOptions(source=tmp_path / "png", target=tmp_path / "coco"))
    assert [path.name for path in tmp_path.iterdir()] == ["png"]
