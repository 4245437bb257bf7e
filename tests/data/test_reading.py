"""Labelled frames from disk: the same classes from every encoding, and what is refused in one line."""

import io
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from helpers.images import decode_image
from segdata.labels import CITYSCAPES, CITYSCAPES_8, CITYSCAPES_19, CITYSCAPES_29, LabelSpace
from segdata.prepare.labels.decoding import describe
from segdata.prepare.labels.reading import read_pair, read_rgb
from segdata.prepare.pair import Encoding, Pair
from segdata.synth import scene

Array = NDArray[np.uint8]
Refused = Callable[..., AbstractContextManager[None]]
WritePair = Callable[..., None]

HEIGHT, WIDTH = 40, 60
SCENE = scene(3, HEIGHT, WIDTH)
LABEL_IDS = np.array([ids[0] for ids in CITYSCAPES_29.label_ids], dtype=np.uint8)[SCENE.labels]
TRAIN_IDS = CITYSCAPES_19.lookup_from_label_ids()[LABEL_IDS]
COLOURS = CITYSCAPES_29.palette()[SCENE.labels]
ROAD = LabelSpace("own", ("road", "rest"), ((1, 2, 3), (200, 100, 0)), ((40,), (41, 42)))


def write(path: Path, pixels: Array) -> Path:
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    return path


def pair(folder: Path, encoding: Encoding, labels: Array, suffix: str = ".png", image: Array = SCENE.image) -> Pair:
    return Pair("a", write(folder / "image.png", image), write(folder / f"labels{suffix}", labels), encoding)


def side_by_side(folder: Path, labels: Array, suffix: str = ".png") -> Pair:
    file = write(folder / f"both{suffix}", np.concatenate([SCENE.image, labels], axis=1))
    return Pair("a", file, file, "right half")


def cut(file: Path, share: float) -> None:
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])


@pytest.mark.parametrize("space", CITYSCAPES.values(), ids=lambda space: space.name)
def test_every_official_encoding_gives_the_same_classes(tmp_path: Path, space: LabelSpace) -> None:
    truth = space.lookup_from_label_ids()[LABEL_IDS]
    assert len(np.unique(truth)) > 3
    for made in (
        pair(tmp_path / "ids", "label ids", LABEL_IDS),
        pair(tmp_path / "colours", "colours", COLOURS),
        side_by_side(tmp_path, COLOURS),
    ):
        frame = read_pair(made, space)
        assert np.array_equal(frame.labels, truth)
        assert np.array_equal(frame.image, SCENE.image)
        assert frame.labels.dtype == frame.image.dtype == np.uint8
        assert not frame.unknown
        assert frame.image.flags.c_contiguous


@pytest.mark.parametrize("space", CITYSCAPES.values(), ids=lambda space: space.name)
def test_train_ids_give_the_scored_classes(tmp_path: Path, space: LabelSpace) -> None:
    """They do not tell the other classes apart, so those are ignored in all spaces."""
    truth = np.where(TRAIN_IDS == 255, np.uint8(255), space.lookup_from_label_ids()[LABEL_IDS])
    frame = read_pair(pair(tmp_path, "train ids", TRAIN_IDS), space)
    assert np.array_equal(frame.labels, truth)
    assert not frame.unknown


def test_official_colour_images_have_an_alpha_channel(tmp_path: Path) -> None:
    labels = tmp_path / "a_gtFine_color.png"
    Image.fromarray(np.dstack([COLOURS, np.full((HEIGHT, WIDTH), 255, dtype=np.uint8)])).save(labels)
    frame = read_pair(Pair("a", write(tmp_path / "image.png", SCENE.image), labels, "colours"), CITYSCAPES_29)
    assert np.array_equal(frame.labels, SCENE.labels)


def test_an_odd_width_has_no_middle(tmp_path: Path, refused: Refused) -> None:
    file = write(tmp_path / "both.png", np.zeros((8, 9, 3), dtype=np.uint8))
    with refused("both.png: 9 pixels wide, need image and labels of equal width"):
        read_pair(Pair("a", file, file, "right half"), CITYSCAPES_29)


def test_ids_and_colours_of_a_space_of_ones_own(tmp_path: Path) -> None:
    truth = (np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH) % 2).astype(np.uint8)
    ids = np.array([40, 42], dtype=np.uint8)[truth]
    colours = ROAD.palette()[truth]
    for made in (
        pair(tmp_path / "ids", "label ids", ids),
        pair(tmp_path / "colours", "colours", colours),
        side_by_side(tmp_path, colours),
    ):
        frame = read_pair(made, ROAD)
        assert np.array_equal(frame.labels, truth)
        assert not frame.unknown


def test_colours_need_no_ids(tmp_path: Path) -> None:
    space = LabelSpace("own", ROAD.names, ROAD.colours, ((), ()))
    truth = np.ones((HEIGHT, WIDTH), dtype=np.uint8)
    frame = read_pair(pair(tmp_path, "colours", space.palette()[truth]), space)
    assert np.array_equal(frame.labels, truth)


@pytest.mark.parametrize(
    ("encoding", "labels", "strange", "words"),
    [
        ("label ids", LABEL_IDS, 34, "id 34"),
        ("train ids", TRAIN_IDS, 19, "id 19"),
        ("colours", COLOURS, (128, 64, 129), "colour 128,64,129"),
        ("right half", COLOURS, (0, 255, 1), "colour 0,255,1"),
    ],
)
def test_unknown_labels_are_counted_and_ignored_until_they_are_too_many(
    tmp_path: Path, refused: Refused, encoding: Encoding, labels: Array, strange: int | tuple[int, int, int], words: str
) -> None:
    def planted(count: int) -> Pair:
        mask = labels.copy()
        mask[0, :count] = strange
        return side_by_side(tmp_path, mask) if encoding == "right half" else pair(tmp_path, encoding, mask)

    limit = HEIGHT * WIDTH // 100
    frame = read_pair(planted(limit), CITYSCAPES_29)
    assert frame.unknown == {words: limit}
    assert (frame.labels[0, :limit] == 255).all()
    assert np.array_equal(frame.labels[1:], read_pair(planted(0), CITYSCAPES_29).labels[1:])
    with refused(f"1.0% of its pixels belong to no class of cityscapes-29: {words} \\({limit + 1} pixels\\)"):
        read_pair(planted(limit + 1), CITYSCAPES_29)


def test_each_unknown_value_is_counted_by_itself(tmp_path: Path, refused: Refused) -> None:
    ids = LABEL_IDS.copy()
    ids[0, :10] = [99, 99, 99, 99, 98, 98, 98, 97, 97, 96]
    frame = read_pair(pair(tmp_path, "label ids", ids), CITYSCAPES_29)
    assert frame.unknown == {"id 99": 4, "id 98": 3, "id 97": 2, "id 96": 1}
    assert describe(frame.unknown) == "id 99 (4 pixels), id 98 (3 pixels), id 97 (2 pixels) and 1 more"


def test_ids_without_a_class_are_not_unknown(tmp_path: Path) -> None:
    """Cityscapes has ids that cityscapes-19 does not score, and 255 is ignore."""
    ids = np.full((HEIGHT, WIDTH), 5, dtype=np.uint8)
    ids[0] = 255
    frame = read_pair(pair(tmp_path, "label ids", ids), CITYSCAPES_19)
    assert (frame.labels == 255).all()
    assert not frame.unknown


def test_colours_of_a_jpeg_are_never_unknown(tmp_path: Path) -> None:
    for made in (pair(tmp_path, "colours", COLOURS, ".jpg"), side_by_side(tmp_path, COLOURS, ".jpg")):
        assert not np.array_equal(read_rgb(made.labels)[:, -WIDTH:], COLOURS)
        frame = read_pair(made, CITYSCAPES_29)
        assert not frame.unknown
        assert (frame.labels == SCENE.labels).mean() > 0.8


@pytest.mark.parametrize(("encoding", "labels"), [("label ids", LABEL_IDS), ("colours", COLOURS)])
def test_sizes_that_differ_are_refused(tmp_path: Path, refused: Refused, encoding: Encoding, labels: Array) -> None:
    made = pair(tmp_path, encoding, labels[:-1])
    with refused(r"image.png is 60x40 but .*labels.png is 60x39; need one size"):
        read_pair(made, CITYSCAPES_29)


def test_images_are_read_as_rgb(tmp_path: Path) -> None:
    image = read_rgb(write(tmp_path / "a.png", SCENE.image))
    assert image.dtype == np.uint8
    assert np.array_equal(image, SCENE.image)


def test_a_grey_image_is_read_with_three_channels(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((4, 6), 77, dtype=np.uint8))
    assert read_rgb(tmp_path / "grey.png").tolist() == [[[77, 77, 77]] * 6] * 4


@pytest.mark.parametrize("content", [b"", b"not an image", b"\xff\xd8\xff\xd9", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_no_image_is_refused(tmp_path: Path, refused: Refused, content: bytes) -> None:
    (tmp_path / "bad.jpg").write_bytes(content)
    with refused("bad.jpg: not a whole image; replace the file or remove the pair"):
        read_rgb(tmp_path / "bad.jpg")


def test_an_image_of_too_many_pixels_is_refused(tmp_path: Path, refused: Refused) -> None:
    file = write(tmp_path / "a.png", np.zeros((1, 1), dtype=np.uint8))
    content = bytearray(file.read_bytes())
    content[16:24] = (100_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    file.write_bytes(content)
    with refused("a.png: not a whole image"):
        read_rgb(file)


@pytest.mark.parametrize("name", ["gone.jpg", "link.jpg", "folder.jpg"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, refused: Refused, name: str) -> None:
    (tmp_path / "link.jpg").symlink_to(tmp_path / "moved.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with refused(rf"{name}: cannot be read \(.*\); replace the file or remove the pair"):
        read_rgb(tmp_path / name)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_truncated_image_is_refused(tmp_path: Path, refused: Refused, suffix: str, share: float) -> None:
    file = write(tmp_path / f"a{suffix}", SCENE.image)
    cut(file, share)
    with refused(f"a{suffix}: not a whole image"):
        read_rgb(file)
    with file.open("ab") as rest:  # what a broken download may leave; OpenCV would decode such a JPEG
        rest.write(bytes(1_000_000))
    with refused(f"a{suffix}: not a whole image"):
        read_rgb(file)


def test_a_truncated_jpeg_with_a_thumbnail_is_refused(tmp_path: Path, refused: Refused) -> None:
    """A thumbnail is a complete JPEG, with its end marker, before the picture's own pixels."""
    file = write(tmp_path / "a.jpg", SCENE.image)
    content, thumbnail = file.read_bytes(), io.BytesIO()
    Image.fromarray(SCENE.image).resize((16, 16)).save(thumbnail, "JPEG")
    note = thumbnail.getvalue()
    file.write_bytes(content[:2] + b"\xff\xe5" + (len(note) + 2).to_bytes(2, "big") + note + content[2:])
    assert np.array_equal(read_rgb(file), decode_image(content, cv2.IMREAD_COLOR_RGB))
    cut(file, 0.8)
    file.write_bytes(file.read_bytes() + bytes(1_000_000))
    with refused("a.jpg: not a whole image"):
        read_rgb(file)


def test_a_truncated_mask_is_refused(tmp_path: Path, refused: Refused) -> None:
    made = pair(tmp_path, "label ids", LABEL_IDS)
    cut(Path(str(made.labels)), 0.5)
    with refused("labels.png: not a whole image"):
        read_pair(made, CITYSCAPES_8)


@pytest.mark.parametrize("padding", [b"\0" * 100, b"\xff\xff", b"\n"])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_padding_after_the_end_is_allowed(tmp_path: Path, suffix: str, padding: bytes) -> None:
    file = write(tmp_path / f"a{suffix}", SCENE.image)
    whole = read_rgb(file)
    file.write_bytes(file.read_bytes() + padding)
    assert np.array_equal(read_rgb(file), whole)


@pytest.mark.parametrize("behind", ["video", "another photo", "noise", "a scan"])
@pytest.mark.parametrize("way", [{}, {"progressive": True}, {"restart_marker_blocks": 2}], ids=str)
def test_data_behind_a_jpeg_is_left_alone(
    tmp_path: Path, refused: Refused, street_video: Path, behind: str, way: dict[str, Any]
) -> None:
    """Motion photos have a video there, and phones' depth photos a second JPEG."""
    Image.fromarray(SCENE.image).save(tmp_path / "a.jpg", **way)
    photo = (tmp_path / "a.jpg").read_bytes()
    whole = read_rgb(tmp_path / "a.jpg")
    noise = np.random.default_rng(0).bytes(50_000)
    rest = {"video": street_video.read_bytes(), "another photo": photo, "noise": noise, "a scan": b"\xff\xda" + noise}
    (tmp_path / "a.jpg").write_bytes(photo + rest[behind])
    assert np.array_equal(read_rgb(tmp_path / "a.jpg"), whole)


@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".tiff", ".webp", ".ppm"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.99, 1])
def test_other_formats_of_images_are_read_whole(tmp_path: Path, refused: Refused, suffix: str, share: float) -> None:
    options: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(SCENE.image).save(tmp_path / f"a{suffix}", **options)
    cut(tmp_path / f"a{suffix}", share)
    if share == 1:
        assert np.array_equal(read_rgb(tmp_path / f"a{suffix}"), SCENE.image)
        return
    with refused(f"a{suffix}: not a whole image; replace the file or remove the pair"):
        read_rgb(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("progressive", [False, True])
def test_jpegs_of_other_writers_are_whole(tmp_path: Path, progressive: bool) -> None:
    Image.fromarray(SCENE.image).save(tmp_path / "a.jpg", progressive=progressive)
    assert read_rgb(tmp_path / "a.jpg").shape == SCENE.image.shape
