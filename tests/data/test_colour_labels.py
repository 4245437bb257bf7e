"""Class ids from colour images: exact from lossless files, close from JPEGs."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from segdata.images.resize import resize_labels
from segdata.labels import CITYSCAPES_8, CITYSCAPES_19, CITYSCAPES_29, LABEL_SPACES, LabelSpace
from segdata.prepare.labels.colour_labels import decode_colours
from segdata.prepare.labels.reading import read_rgb
from segdata.synth import scene

Rgb = NDArray[np.uint8]
Labels = NDArray[np.uint8]

UNLABELLED, ROAD, SIDEWALK, SKY, POLE, CAR, TRAILER = (
    CITYSCAPES_29.names.index(name) for name in ("unlabelled", "road", "sidewalk", "sky", "pole", "car", "trailer")
)


def distances(image: Rgb, space: LabelSpace) -> NDArray[np.float64]:
    """Return how far each pixel is from each class' colour, [H, W, C]."""
    return np.asarray(np.linalg.norm(image[:, :, None].astype(np.float64) - np.array(space.colours), axis=-1))


def jpeg(image: Rgb, quality: int) -> Rgb:
    encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB), dtype=np.uint8)


@pytest.mark.parametrize("space", [CITYSCAPES_29, CITYSCAPES_19, CITYSCAPES_8], ids=lambda space: space.name)
def test_a_lossless_image_decodes_exactly(space: LabelSpace) -> None:
    """Even if every pixel has another class than its neighbours."""
    assert space.name in LABEL_SPACES
    labels = np.random.default_rng(0).integers(0, space.class_count, (60, 70), dtype=np.uint8)
    decoded = decode_colours(space.palette()[labels], space)
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, labels)


def test_a_lossless_street_decodes_exactly() -> None:
    labels = scene(1, 128, 256).labels
    assert np.array_equal(decode_colours(CITYSCAPES_29.palette()[labels], CITYSCAPES_29), labels)


@pytest.mark.parametrize("seed", range(3))
def test_a_jpeg_decodes_better_than_by_nearest_colour(seed: int) -> None:
    labels = scene(seed, 256, 256).labels
    image = jpeg(CITYSCAPES_29.palette()[labels], 75)
    decoded = decode_colours(image, CITYSCAPES_29)
    agreement = np.mean(decoded == labels)
    assert agreement > 0.95
    assert agreement > np.mean(distances(image, CITYSCAPES_29).argmin(axis=-1) == labels)


def test_a_little_noise_changes_no_class() -> None:
    labels = scene(2, 64, 128).labels
    noise = np.random.default_rng(0).integers(-3, 4, (64, 128, 3))
    image = np.clip(CITYSCAPES_29.palette()[labels] + noise, 0, 255).astype(np.uint8)
    assert np.array_equal(decode_colours(image, CITYSCAPES_29), labels)


def test_a_mixture_becomes_one_of_the_classes_it_lies_between() -> None:
    """Half sidewalk, half black is nearest to the colour of road, and road is nowhere near."""
    labels = np.full((9, 10), SIDEWALK, dtype=np.uint8)
    labels[:, 5:] = UNLABELLED
    image = CITYSCAPES_29.palette()[labels]
    image[:, 4] = (122, 17, 116)
    assert distances(image[:1, 4:5], CITYSCAPES_29).argmin() == ROAD
    assert set(np.unique(decode_colours(image, CITYSCAPES_29))) == {SIDEWALK, UNLABELLED}


def test_a_colour_far_from_everything_becomes_ignore() -> None:
    image = np.full((8, 8, 3), (0, 255, 0), dtype=np.uint8)
    assert distances(image[:1, :1], CITYSCAPES_29).min() > 100
    assert (decode_colours(image, CITYSCAPES_29) == 255).all()


def test_only_classes_within_two_pixels_count_as_neighbours() -> None:
    image = np.full((7, 12, 3), (0, 255, 0), dtype=np.uint8)
    image[:, :4] = CITYSCAPES_29.colours[SKY]
    assert decode_colours(image, CITYSCAPES_29).tolist() == [[SKY] * 6 + [255] * 6] * 7


def official_at_256(labels: Labels) -> Labels:
    return resize_labels(CITYSCAPES_29.lookup_from_label_ids()[labels], 256, 256)


def test_an_easily_mixed_class_must_fill_its_surroundings_and_a_pole_need_not() -> None:
    """A car's edge against black passes trailer's colour; a pole is a pixel wide and stays."""
    labels = np.full((12, 24), CAR, dtype=np.uint8)
    labels[:, 6:] = UNLABELLED
    truth = labels.copy()
    labels[:, 6] = TRAILER  # the edge
    labels[:, 12] = truth[:, 12] = POLE
    labels[2:8, 16:21] = truth[2:8, 16:21] = TRAILER  # a trailer of its own
    image = CITYSCAPES_29.palette()[labels]
    assert np.array_equal(decode_colours(image, CITYSCAPES_29), labels)  # lossless: every pixel is what it says
    image[10:, 19:] = (0, 255, 0)  # mixtures enough for a lossy format
    decoded = decode_colours(image, CITYSCAPES_29)
    assert set(np.unique(decoded[:, 6])) <= {CAR, UNLABELLED}
    decoded[:, 6] = truth[:, 6]
    assert np.array_equal(decoded[:, :19], truth[:, :19])


def test_the_colour_jpegs_of_cityscapes_agree_with_the_official_labels(real_data: Path) -> None:
    """The same six scenes of aachen, as 2048x1024 labelIds and as 256x256 colour JPEGs under other names."""
    small, official = real_data / "cityscapes256/train", real_data / "cityscapes-official"
    agreement, kept = [], []
    for index, name in enumerate(("0001", "1112", "2199", "2310", "2421", "2532")):
        frame = f"train/aachen/aachen_{index:06}_000019"
        thumbnails = [
            cv2.resize(read_rgb(path), (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
            for path in (small / f"leftImg/{name}.jpg", official / f"leftImg8bit/{frame}_leftImg8bit.png")
        ]
        assert np.abs(thumbnails[0] - thumbnails[1]).mean() < 4, f"{name} is not {frame}"
        truth_ids = cv2.imread(str(official / f"gtFine/{frame}_gtFine_labelIds.png"), cv2.IMREAD_UNCHANGED)
        truth = official_at_256(np.asarray(truth_ids, dtype=np.uint8))
        decoded = decode_colours(read_rgb(small / f"labelIds/{name}.jpg"), CITYSCAPES_29)
        is_kept = decoded != 255
        kept.append(is_kept.mean())
        agreement.append(np.mean(decoded[is_kept] == truth[is_kept]))
    assert np.mean(agreement) >= 0.955, agreement
    assert np.mean(kept) >= 0.99, kept
