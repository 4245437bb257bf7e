"""Masks as they are stored: each kind gives the same classes; ambiguous masks and photos are refused in one line."""

import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from helpers.damage import damaged
from helpers.labelled_files import (
    CAR,
    CLASSES,
    COLOURS,
    HEIGHT,
    LABEL_IDS,
    TWO,
    TWO_CLASSES,
    WIDTH,
    indexed,
    photo,
    save,
)  # fmt: skip
from segdata.errors import InputError
from segdata.labels import CITYSCAPES_19, CITYSCAPES_29, LabelSpace
from segdata.prepare.labels.label_image import read_label_image
from segdata.prepare.labels.reading import read_pair
from segdata.prepare.layouts.find import find_layout
from segdata.synth import scene

Array = NDArray[np.uint8]
Refused = Callable[..., AbstractContextManager[None]]

VOC_COLOURS = np.random.default_rng(0).integers(1, 255, (256, 3), np.uint8)  # of no class: indices tell all


def read(folder: Path, mask: Array | Image.Image, space: LabelSpace, suffix: str = ".png", **options: object) -> Array:
    """Return the classes of a folder with one frame."""
    save(folder / "images/a.png", photo())
    save(folder / f"masks/a{suffix}", mask, **options)
    (pair,) = find_layout(folder, space).pairs
    return read_pair(pair, space).labels


@pytest.mark.parametrize(
    "mask",
    [
        Image.fromarray(LABEL_IDS),
        Image.fromarray(LABEL_IDS.astype(np.uint16)),
        Image.fromarray(LABEL_IDS).convert("RGB"),
        Image.fromarray(LABEL_IDS).convert("RGBA"),
        Image.fromarray(LABEL_IDS).convert("LA"),
        Image.fromarray(LABEL_IDS).convert("P"),
        indexed(LABEL_IDS, VOC_COLOURS),
        Image.fromarray(COLOURS),
        Image.fromarray(COLOURS).convert("RGBA"),
    ],
    ids=[
        "grey",
        "16 bits",
        "RGB of ids",
        "RGBA of ids",
        "LA",
        "grey palette",
        "VOC",
        "RGB",
        "RGBA",
    ],
)
def test_every_kind_of_png_gives_the_same_classes(tmp_path: Path, mask: Image.Image) -> None:
    assert np.array_equal(read(tmp_path, mask, CITYSCAPES_29), CLASSES)


@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".tiff", ".webp", ".ppm"])
@pytest.mark.parametrize("pixels", [LABEL_IDS, COLOURS], ids=["ids", "colours"])
def test_other_lossless_files_give_the_same_classes(tmp_path: Path, suffix: str, pixels: Array) -> None:
    image = Image.fromarray(pixels).convert("RGB") if suffix in (".webp", ".ppm") else Image.fromarray(pixels)
    options = {"lossless": True} if suffix == ".webp" else {}
    assert np.array_equal(read(tmp_path, image, CITYSCAPES_29, suffix, **options), CLASSES)


@pytest.mark.parametrize(
    "mask",
    [
        Image.fromarray(TWO_CLASSES > 0),
        indexed(TWO_CLASSES, np.array([[0, 0, 0], [128, 0, 0]], np.uint8)),
        indexed(TWO_CLASSES, VOC_COLOURS[:2]),
        Image.fromarray(TWO_CLASSES.astype(np.uint16)),
        Image.fromarray(TWO.palette()[TWO_CLASSES]),
    ],
    ids=["1 bit", "labelme", "other colours", "16 bits", "CVAT"],
)
def test_masks_of_two_classes(tmp_path: Path, mask: Image.Image) -> None:
    assert np.array_equal(read(tmp_path, mask, TWO), TWO_CLASSES)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits_holds_the_ids_themselves(tmp_path: Path, bits: int) -> None:
    """Libraries spread them over 0 to 255."""
    save(tmp_path / "images/a.png", photo())
    (tmp_path / "masks").mkdir()
    _write_png(tmp_path / "masks/a.png", TWO_CLASSES, bits)
    (pair,) = find_layout(tmp_path, TWO).pairs
    assert np.array_equal(read_pair(pair, TWO).labels, TWO_CLASSES)


def _write_png(path: Path, values: Array, bits: int) -> None:
    """Write a grey PNG of few bits, which no library at hand writes: PNG specification, 7.2 and 11.2."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    height, width = values.shape
    digits = np.unpackbits(values[..., None], axis=2)[..., 8 - bits :].reshape(height, width * bits)
    rows = np.packbits(digits, axis=1)
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((bits, 0, 0, 0, 0))
    data = zlib.compress(np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes())
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


@pytest.mark.parametrize("quality", [75, 95])
def test_two_classes_in_a_jpeg_are_read_by_their_colours(tmp_path: Path, quality: int) -> None:
    """As black and white, too, which is 0 and 255 in other masks."""
    size = (8 * WIDTH, 8 * HEIGHT)
    space = replace(TWO, colours=((0, 0, 0), (255, 255, 255)))
    truth = np.array(Image.fromarray(TWO_CLASSES).resize(size, Image.Resampling.NEAREST))
    save(tmp_path / "images/a.png", photo(0, size[1], size[0]))
    save(tmp_path / "masks/a.jpg", Image.fromarray(truth * 255), quality=quality)
    (pair,) = find_layout(tmp_path, space).pairs
    assert (read_pair(pair, space).labels == truth).mean() > 0.99


def test_0_and_255_are_black_and_white_where_the_space_has_those_colours(tmp_path: Path) -> None:
    """As ids, 255 would be ignored."""
    space = replace(TWO, colours=((0, 0, 0), (255, 255, 255)))
    assert np.array_equal(read(tmp_path, Image.fromarray(TWO_CLASSES * 255), space), TWO_CLASSES)


# What is ignored


def test_ids_and_colours_that_the_space_ignores_are_ignored(tmp_path: Path) -> None:
    space = LabelSpace("fg", ("thing",), ((128, 0, 0),), ((1,),), ignored_ids=(0,), ignored_colours=((0, 0, 0),))
    truth = np.where(TWO_CLASSES == 1, 0, 255)
    assert np.array_equal(read(tmp_path / "ids", Image.fromarray(TWO_CLASSES), space), truth)
    assert np.array_equal(read(tmp_path / "colours", Image.fromarray(TWO.palette()[TWO_CLASSES]), space), truth)


def test_colours_to_ignore_are_ignored_in_a_jpeg(tmp_path: Path) -> None:
    size = (8 * WIDTH, 8 * HEIGHT)
    void = np.array([224, 224, 192], np.uint8)
    space = replace(TWO, ignored_colours=(tuple(void.tolist()),))
    shown = np.where((CLASSES == CAR)[..., None], void, TWO.palette()[(CLASSES > CAR).astype(np.uint8)])
    save(tmp_path / "images/a.png", photo(0, size[1], size[0]))
    save(tmp_path / "masks/a.jpg", Image.fromarray(shown).resize(size, Image.Resampling.NEAREST), quality=95)
    (pair,) = find_layout(tmp_path, space).pairs
    labels = read_pair(pair, space).labels
    ignored = np.array(Image.fromarray(CLASSES == CAR).resize(size, Image.Resampling.NEAREST))
    assert ((labels == 255) == ignored).mean() > 0.99
    assert set(np.unique(labels)) == {*np.unique((CLASSES > CAR).astype(np.uint8)), 255}


def test_ids_that_nothing_names_are_refused_with_the_way_out(tmp_path: Path, refused: Refused) -> None:
    space = LabelSpace("fg", ("thing",), ((128, 0, 0),), ((1,),))
    with refused("masks/a.png: 66.7% of its pixels belong to no class of fg: id 0 .*, or list them in its ignore"):
        read(tmp_path, Image.fromarray(TWO_CLASSES), space)


@pytest.mark.parametrize("value", [256, 300, 65535])
def test_ids_above_255_are_unknown(tmp_path: Path, refused: Refused, value: int) -> None:
    ids = LABEL_IDS.astype(np.uint16)
    ids[:4] = value
    with refused(f"16.7% of its pixels belong to no class of cityscapes-29: id {value}"):
        read(tmp_path, Image.fromarray(ids), CITYSCAPES_29)


# What is refused


def test_a_palette_whose_ids_and_colours_differ_is_refused(tmp_path: Path, refused: Refused) -> None:
    """Its colours in another order than its ids: as some tools write the ones that occur."""
    swapped = np.array([[128, 0, 0], [0, 0, 0]], np.uint8)
    with refused("palette PNG of 1 bits in which a pixel is bg by its id and thing by its colour; save it in grey"):
        read(tmp_path / "two", indexed(TWO_CLASSES, swapped), TWO)
    with refused("palette PNG of 8 bits in which a pixel is pole by its id and sky by its colour; save it in grey"):
        read(tmp_path / "many", indexed(CLASSES, CITYSCAPES_29.palette()[:29]), CITYSCAPES_29)


def test_ids_in_a_jpeg_are_refused(tmp_path: Path, refused: Refused) -> None:
    with refused("masks/a.jpg: JPEG: .*; a photo, or labels of another space"):
        read(tmp_path, Image.fromarray(LABEL_IDS), CITYSCAPES_29, ".jpg")


def test_transparency_that_differs_is_refused(tmp_path: Path, refused: Refused) -> None:
    """The labels may be in the transparency, not in the colours."""
    alpha = np.where(TWO_CLASSES == 1, 255, 0).astype(np.uint8)
    with refused("masks/a.png: .*transparency differs; save it without an alpha channel"):
        read(tmp_path, Image.fromarray(np.dstack([np.zeros_like(COLOURS), alpha])), TWO)


def test_fractions_are_no_ids(tmp_path: Path, refused: Refused) -> None:
    with refused("masks/a.tif: not a whole image"):
        read(tmp_path, Image.fromarray(TWO_CLASSES.astype(np.float32) / 2), TWO, ".tif")


@pytest.mark.parametrize("darker", [1, 4, 12])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
@pytest.mark.parametrize("mode", ["RGB", "L", "palette"])
def test_photos_are_no_masks(tmp_path: Path, refused: Refused, darker: int, suffix: str, mode: str) -> None:
    """Also dark ones, whose values are all ids or all near black."""
    pixels = scene(1, 96, 128).image // darker + np.random.default_rng(0).integers(0, 4, (96, 128, 3))
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    if mode == "palette" and suffix == ".jpg":
        pytest.skip("JPEG has no palette")
    save(tmp_path / "images/a.png", photo(0, 96, 128))
    save(tmp_path / f"masks/a{suffix}", image.quantize(34) if mode == "palette" else image.convert(mode))
    with refused("masks/a"):
        find_layout(tmp_path)


# trainIds


TRAIN_IDS = CITYSCAPES_19.lookup_from_label_ids()[LABEL_IDS]


def write_train_ids(folder: Path, high: int = 2) -> None:
    ids = TRAIN_IDS.copy()
    ids[:2] = high
    save(folder / "images/a.png", photo())
    save(folder / "masks/a.png", ids)


@pytest.mark.parametrize("high", [1, 6, 255])
def test_train_ids_where_label_ids_are_meant_are_noticed(tmp_path: Path, refused: Refused, high: int) -> None:
    write_train_ids(tmp_path, high)
    listed = ", ".join(map(str, sorted({*np.unique(TRAIN_IDS).tolist(), high})))
    with refused(f"no id above 18 in the masks, as in Cityscapes' trainIds .there are {listed}.; .* --ids train"):
        find_layout(tmp_path)


def test_what_ids_are_can_be_said(tmp_path: Path) -> None:
    write_train_ids(tmp_path, 255)
    (pair,) = find_layout(tmp_path, CITYSCAPES_19, "train").pairs
    assert np.array_equal(read_pair(pair, CITYSCAPES_19).labels[2:], TRAIN_IDS[2:])
    assert {pair.encoding for pair in find_layout(tmp_path, CITYSCAPES_19, "label").pairs} == {"label ids"}


def test_one_id_above_18_anywhere_is_proof_of_label_ids(tmp_path: Path) -> None:
    for index in range(40):
        save(tmp_path / f"images/{index:02}.png", photo(index))
        ids = np.full((HEIGHT, WIDTH), 7, np.uint8)
        ids[:4] = 26 if index == 11 else 1
        save(tmp_path / f"masks/{index:02}.png", ids)
    assert find_layout(tmp_path).remarks == ()


def test_ids_that_may_be_either_are_label_ids_with_a_remark(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", photo())
    save(tmp_path / "masks/a.png", np.where(TWO_CLASSES == 1, 7, 11).astype(np.uint8))
    found = find_layout(tmp_path)
    assert {pair.encoding for pair in found.pairs} == {"label ids"}
    assert len(found.remarks) == 1
    assert "as in Cityscapes' trainIds; if they are trainIds, give --ids train" in found.remarks[0]


def test_a_space_of_ones_own_has_no_train_ids(tmp_path: Path, refused: Refused) -> None:
    save(tmp_path / "images/a.png", photo())
    save(tmp_path / "masks/a.png", TWO_CLASSES)
    assert find_layout(tmp_path, TWO).remarks == ()
    with refused("got --ids train for two, which has ids of its own; leave it out"):
        find_layout(tmp_path, TWO, "train")


# Damaged files


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".jpg"])
def test_a_damaged_mask_is_read_or_refused_in_one_line(tmp_path: Path, suffix: str) -> None:
    mask = Image.fromarray(COLOURS) if suffix in (".webp", ".jpg") else indexed(LABEL_IDS, VOC_COLOURS)
    sound = save(tmp_path / f"a{suffix}", mask, **({"lossless": True} if suffix == ".webp" else {})).read_bytes()
    refusals: list[str] = []
    for seed in range(80):
        (tmp_path / f"a{suffix}").write_bytes(damaged(sound, Random(seed)))
        try:
            image = read_label_image(tmp_path / f"a{suffix}")
        except InputError as error:
            refusals.append(str(error))
        else:
            assert image.colours.shape[2] == 3
            assert image.ids is None or image.ids.shape == image.colours.shape[:2]
    assert refusals
    assert not any("\n" in line for line in refusals)
