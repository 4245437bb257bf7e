"""Folders of other tools with ids of a user's own label space, from the folder to the prepared dataset."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from helpers.commands import run_command
from helpers.labelled_files import indexed, photo, save
from segdata.dataset.dataset import Dataset

Array = npt.NDArray[np.uint8]

SIDE = 32
TOML = """
name = "streets"
ignore = [{ignored}]
classes = [
    {{ name = "other", colour = [0, 0, 0], ids = [0] }},
    {{ name = "vehicle", colour = [128, 128, 128], ids = [6, 7] }},
    {{ name = "person", colour = [192, 128, 128], ids = [15] }},
]
"""


def blocks(values: tuple[int, ...], seed: int) -> Array:
    chosen = np.random.default_rng(seed).choice(values, (SIDE // 8, SIDE // 8))
    return np.asarray(chosen.repeat(8, 0).repeat(8, 1), np.uint8)


def classes(ids: Array) -> Array:
    return np.select([ids == 0, (ids == 6) | (ids == 7), ids == 15], [0, 1, 2], 255).astype(np.uint8)


def voc_palette() -> Array:
    """Return the palette of Pascal VOC, uint8 [256, 3]: bit 7 - k of a channel is bit 3 k + channel of the id."""
    ids = np.arange(256)
    channels = [sum((ids >> (3 * k + channel) & 1) << (7 - k) for k in range(8)) for channel in range(3)]
    return np.stack(channels, axis=1).astype(np.uint8)


def prepared(source: Path, ignored: str = "") -> Dataset:
    """Check and prepare a folder with the commands, as a user would."""
    own = source.parent / "own.toml"
    own.write_text(TOML.format(ignored=ignored))
    target = source.parent / "made"
    for words in (("check", source), ("prepare", source, target, "--size", SIDE)):
        ran = run_command("seg-data", *words, "--label-space", own)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    return Dataset(target)


@pytest.mark.parametrize("root", ["VOC2012", "."])
def test_pascal_voc_as_it_is_delivered(tmp_path: Path, root: str) -> None:
    """Beside the masks are boxes, masks of instances, images without masks, and lists of both."""
    folder = tmp_path / "VOCdevkit" / root
    masks = {}
    for index, name in enumerate(("2007_000032", "2007_000033", "2007_000039")):
        masks[name] = blocks((0, 6, 7, 15, 255), index)
        save(folder / "JPEGImages" / f"{name}.jpg", photo(index, SIDE, SIDE))
        palette = voc_palette()
        assert palette[[6, 7, 15]].tolist() == [[0, 128, 128], [128, 128, 128], [192, 128, 128]]
        save(folder / "SegmentationClass" / f"{name}.png", indexed(masks[name], palette))
        save(folder / "SegmentationObject" / f"{name}.png", indexed(masks[name] // 2, palette))
        (folder / "Annotations").mkdir(exist_ok=True)
        (folder / "Annotations" / f"{name}.xml").write_text(
            "<annotation><object><name>bus</name></object></annotation>"
        )
    save(folder / "JPEGImages" / "2008_000001.jpg", photo(9, SIDE, SIDE))
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_000032\n2007_000033\n")
    (lists / "val.txt").write_text("2007_000039\n")
    (lists / "trainval.txt").write_text("2007_000032\n2007_000033\n2007_000039\n")
    dataset = prepared(tmp_path / "VOCdevkit")
    for split, names in (("train", ["2007_000032", "2007_000033"]), ("val", ["2007_000039"])):
        found = dataset.split(split)
        assert list(found.names) == names
        for labels, name in zip(found.labels, names, strict=True):
            assert np.array_equal(labels, classes(masks[name]))


def test_supervisely_exported_as_masks(tmp_path: Path) -> None:
    """Its masks for machines have one value in three channels; those for people lie beside."""
    masks = {}
    for split in ("train", "val"):
        for index in range(2):
            folder, name = tmp_path / "project" / split, f"street-{index}"
            mask = masks[split, name] = blocks((0, 6, 7, 15, 20), index)
            save(folder / "img" / f"{name}.jpg", photo(len(masks), SIDE, SIDE))
            save(folder / "masks_machine" / f"{name}.png", np.repeat(mask[..., None], 3, axis=2))
            save(folder / "masks_human" / f"{name}.png", photo(index, SIDE, 2 * SIDE))
            (folder / "ann").mkdir(exist_ok=True)
            (folder / "ann" / f"{name}.jpg.json").write_text('{"size": {"height": 32, "width": 32}, "objects": []}')
    (tmp_path / "project" / "obj_class_to_machine_color.json").write_text('{"neutral": [0, 0, 0], "bus": [6, 6, 6]}')
    (tmp_path / "project" / "meta.json").write_text('{"classes": [], "tags": []}')
    dataset = prepared(tmp_path / "project", ignored="20")
    for (split, name), mask in masks.items():
        found = dataset.split(split)
        assert np.array_equal(found.labels[found.names.index(name)], classes(mask))
