"""The SegmentedImage of an image: where the image may come from, and what can be made from the result."""

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from segdata.synth import scene
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


def test_sixteen_bits_of_pillow_are_those_of_a_file(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "deep.png"
    grey = STREET[..., 0].astype(np.uint16) * 257
    assert cv2.imwrite(str(path), grey)
    np.testing.assert_array_equal(to_rgb(path)[0], STREET[..., :1].repeat(3, axis=2))
    np.testing.assert_array_equal(to_rgb(Image.fromarray(grey))[0], to_rgb(path)[0])
    for kind in (np.int32, np.float32):
        with refused("need one of 8 or 16 bits"):
            to_rgb(Image.fromarray(grey.astype(kind)))


def test_what_is_no_image_is_refused(tmp_path: Path, refused: Refused) -> None:
    damaged = tmp_path / "half.png"
    Image.fromarray(STREET).save(damaged)
    damaged.write_bytes(damaged.read_bytes()[:-400])
    with refused(r"half\.png: not a complete image"):
        to_rgb(damaged)
    with Image.open(damaged) as opened, refused(r"half\.png: Pillow cannot decode it"):
        to_rgb(opened)
    with refused("got an image of type int, need a NumPy array, a Pillow image or a path"):
        to_rgb(3)  # type: ignore[arg-type]
    with refused(r"cannot be read"):
        to_rgb(tmp_path)
    with refused(r"'a\\x00b\.png': cannot be read"):
        to_rgb("a\0b.png")


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
        again[mask] = annotation["category_id"] - 1
        assert annotation["area"] == mask.sum()
        assert annotation["bbox"] == coco.toBbox(annotation["segmentation"]).tolist()
        assert annotation["image_id"] == 7
    np.testing.assert_array_equal(again, found.labels)
