"""What a Segmenter gives for an image: from where it may come, and what can be made of it."""

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools import mask as coco

from segdata.synth import scene
from segrun.coco import annotations, encoded, run_lengths
from segrun.segmented_image import SegmentedImage, to_rgb
from segrun.segmenter import Segmenter

if TYPE_CHECKING:
    from conftest import Artefacts

# pycocotools itself, where NumPy is new.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Refused = Callable[..., AbstractContextManager[None]]

STREET = scene(4, 90, 160).image


@pytest.fixture(scope="module")
def segmenter(artefacts: "Artefacts") -> Iterator[Segmenter]:
    with Segmenter(artefacts.onnx["int8"]) as segmenter:
        yield segmenter


@pytest.fixture(scope="module")
def found(segmenter: Segmenter) -> SegmentedImage:
    return segmenter.image(STREET)


def test_numpy_pillow_and_files_give_the_same(segmenter: Segmenter, found: SegmentedImage, tmp_path: Path) -> None:
    path = tmp_path / "street.png"
    Image.fromarray(STREET).save(path)
    np.testing.assert_array_equal(found.labels, segmenter(STREET))
    for image, name in ((Image.open(path), path.name), (path, path.name), (str(path), path.name)):
        other = segmenter.image(image)
        np.testing.assert_array_equal(other.labels, found.labels)
        np.testing.assert_array_equal(other.image, STREET)
        assert other.name == name


def test_many_come_one_after_the_other(segmenter: Segmenter, found: SegmentedImage, tmp_path: Path) -> None:
    path = tmp_path / "street.png"
    Image.fromarray(STREET).save(path)
    images = segmenter.images([STREET, path, "nothing.png"])
    for _ in range(2):
        np.testing.assert_array_equal(next(images).labels, found.labels)
    with pytest.raises(Exception, match=r"nothing\.png: cannot be read: No such file"):
        next(images)


def test_both_ways_turn_a_photo_upright(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # the orientation: a quarter to the right
    Image.fromarray(STREET).save(path, exif=exif, quality=95)
    with Image.open(path) as opened:
        by_pillow = to_rgb(opened)[0]
    assert to_rgb(path)[0].shape == by_pillow.shape == (160, 90, 3)
    assert np.abs(to_rgb(path)[0].astype(int) - by_pillow).mean() < 2


def test_what_is_no_image_is_refused(tmp_path: Path, refused: Refused) -> None:
    damaged = tmp_path / "half.png"
    Image.fromarray(STREET).save(damaged)
    damaged.write_bytes(damaged.read_bytes()[:-400])
    with refused(r"half\.png: is no whole image"):
        to_rgb(damaged)
    with Image.open(damaged) as opened, refused(r"half\.png: Pillow cannot decode it"):
        to_rgb(opened)
    with refused("got an image of type int, need a NumPy array, a Pillow image or a path"):
        to_rgb(3)  # type: ignore[arg-type]
    with refused(r"cannot be read"):
        to_rgb(tmp_path)


def test_shares_add_up_and_are_of_the_labels(found: SegmentedImage) -> None:
    assert sum(found.shares.values()) == pytest.approx(1)
    for name, share in found.shares.items():
        assert share == pytest.approx((found.labels == found.classes.index(name)).mean())


def test_the_overlay_lies_between_picture_and_colours(found: SegmentedImage, refused: Refused) -> None:
    np.testing.assert_array_equal(found.overlay(0), STREET)
    colours = np.array(found.colours, np.uint8)[found.labels]
    np.testing.assert_array_equal(found.overlay(1), colours)
    half = (STREET.astype(int) + colours) / 2
    assert np.abs(found.overlay() - half).max() <= 0.5
    with refused("got alpha 2, need 0 to 1"):
        found.overlay(2)


def test_a_notebook_shows_the_overlay(found: SegmentedImage) -> None:
    shown = np.asarray(Image.open(io.BytesIO(found._repr_png_())))
    np.testing.assert_array_equal(shown, found.overlay())
    image, labels = (cv2.resize(part, (2000, 1000)) for part in (STREET, found.labels))
    wide = SegmentedImage(np.asarray(image, np.uint8), np.asarray(labels, np.uint8), found.classes, found.colours)
    assert Image.open(io.BytesIO(wide._repr_png_())).size == (960, 480)


def test_coco_reads_the_masks(found: SegmentedImage) -> None:
    written = found.to_coco(image_id=7)
    assert written["images"] == [{"id": 7, "file_name": "", "height": 90, "width": 160}]
    assert [category["name"] for category in written["categories"]] == list(found.classes)
    again = np.full((90, 160), 255, np.uint8)
    found_again: list[Any] = written["annotations"]
    for annotation in found_again:
        mask = coco.decode(annotation["segmentation"]).astype(bool)
        again[mask] = annotation["category_id"]
        assert annotation["area"] == mask.sum()
        assert annotation["bbox"] == coco.toBbox(annotation["segmentation"]).tolist()
        assert annotation["image_id"] == 7
    np.testing.assert_array_equal(again, found.labels)


@given(arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_run_lengths_are_those_of_coco(mask: npt.NDArray[np.bool_]) -> None:
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert encoded(run_lengths(mask)) == theirs


def test_a_large_mask_of_one_class_is_a_few_letters() -> None:
    (only,) = annotations(np.full((1000, 3000), 3, np.uint8), 1)
    assert coco.decode(only["segmentation"]).sum() == 3_000_000
    assert len(str(only)) < 200
