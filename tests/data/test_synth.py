"""Synthetic street scenes: exact labels, one seed one scene, and motion that is real."""

from itertools import islice, pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from segdata.errors import InputError
from segdata.labels import CITYSCAPES_29
from segdata.synth import Scene, drive, scene
from segdata.synth.street import Street
from segdata.synth.world import CAMERA_SPEED, belts

ROAD, SKY = (CITYSCAPES_29.names.index(name) for name in ("road", "sky"))


def same(a: Scene, b: Scene) -> bool:
    return a.image.tobytes() == b.image.tobytes() and a.labels.tobytes() == b.labels.tobytes()


@pytest.mark.parametrize(("height", "width"), [(64, 128), (128, 128), (33, 47), (101, 64), (32, 32)])
def test_a_scene_has_the_size_asked_for_and_known_labels(height: int, width: int) -> None:
    made = scene(5, height, width)
    assert made.image.shape == (height, width, 3)
    assert made.labels.shape == (height, width)
    assert made.image.dtype == made.labels.dtype == np.uint8
    assert made.labels.max() < CITYSCAPES_29.class_count


def test_the_same_seed_and_size_give_the_same_bytes() -> None:
    first = scene(3, 64, 128)
    for other in range(20, 26):  # what was made in between leaves no trace
        scene(other, 64, 128)
    assert same(first, scene(3, 64, 128))


def test_each_seed_is_another_scene() -> None:
    assert len({scene(seed, 48, 96).labels.tobytes() for seed in range(12)}) == 12


def test_most_classes_occur() -> None:
    counts = np.zeros(256, dtype=np.int64)
    for seed in range(200):
        counts += np.bincount(scene(seed, 64, 128).labels.reshape(-1), minlength=256)
    assert counts[CITYSCAPES_29.class_count :].sum() == 0
    missing = [name for class_id, name in enumerate(CITYSCAPES_29.names) if counts[class_id] == 0]
    assert len(missing) <= 5, missing


def test_a_street_is_composed_like_one() -> None:
    labels = np.stack([scene(seed, 64, 128).labels for seed in range(40)])
    share = np.bincount(labels.reshape(-1), minlength=256) / labels.size
    assert 0.2 < share[ROAD] < 0.5
    assert 0.03 < share[SKY] < 0.35
    assert np.mean(labels[:, 52:56, 54:74] == ROAD) > 0.8  # bottom middle, above the bonnet
    assert not np.any(labels[:, 40:] == SKY)


def test_sky_is_brighter_than_road() -> None:
    made = [scene(seed, 64, 128) for seed in range(12)]
    sky = np.concatenate([one.image[one.labels == SKY] for one in made])
    road = np.concatenate([one.image[one.labels == ROAD] for one in made])
    assert sky.mean() > road.mean() + 60


def edge_strength(image: NDArray[np.uint8], labels: NDArray[np.uint8], shift: int) -> float:
    """Return the mean step of brightness across the sky's lower boundary moved down by `shift` pixels."""
    grey = image.astype(np.float32).mean(axis=2)
    step = np.abs(np.diff(grey, axis=0))
    rows, columns = np.nonzero((labels[:-1] == SKY) & (labels[1:] != SKY))
    rows = rows + shift
    inside = (rows >= 0) & (rows < len(step))
    return float(step[rows[inside], columns[inside]].mean())


def test_labels_lie_on_the_image_to_the_pixel() -> None:
    strength: dict[int, list[float]] = {shift: [] for shift in (-2, -1, 0, 1, 2)}
    for seed in range(8):
        made = scene(seed, 128, 256)
        for shift, values in strength.items():
            values.append(edge_strength(made.image, made.labels, shift))
    mean = {shift: np.mean(values) for shift, values in strength.items()}
    assert all(mean[0] > 1.5 * mean[shift] for shift in (-2, -1, 1, 2)), mean


def test_a_drive_starts_with_the_still_scene() -> None:
    assert same(scene(4, 48, 96), next(drive(4, 48, 96, 1)))


def test_a_frame_does_not_depend_on_how_many_are_asked_for() -> None:
    short, long = list(drive(2, 48, 96, 4)), list(islice(drive(2, 48, 96, 1000), 4))
    assert all(same(a, b) for a, b in zip(short, long, strict=True))
    assert len(short) == 4


@pytest.mark.parametrize("seed", range(4))
def test_the_scene_moves_a_little_from_frame_to_frame(seed: int) -> None:
    for before, after in pairwise(drive(seed, 90, 160, 12)):
        changed = np.mean(before.labels != after.labels)
        assert 0.002 < changed < 0.25
        assert not np.array_equal(before.image, after.image)


def test_the_picture_does_not_boil() -> None:
    """In the far sky, only sensor noise differs between two frames."""
    before, after = drive(4, 90, 160, 2, fps=1000)
    still = (before.labels == SKY) & (after.labels == SKY)
    difference = before.image[still].astype(np.float32) - after.image[still]
    assert 0.5 < difference.std() < 8


@pytest.mark.parametrize("seed", [2, 3, 5])
def test_the_ground_comes_towards_the_camera(seed: int) -> None:
    before, after = (frame.image.astype(np.float32).mean(axis=2) for frame in drive(seed, 256, 512, 2, fps=50))
    ground = slice(180, 225), slice(226, 286)  # between the wheels: no line along the road, which shows no motion
    fit = {}
    for rows in range(-8, 9):  # how far down the picture has to move to become the next one
        fit[rows] = np.abs(np.roll(before, rows, axis=0)[ground] - after[ground]).mean()
    assert min(fit, key=lambda rows: fit[rows]) > 0, fit


def test_cars_and_people_move_on_their_own() -> None:
    speeds = [belt.speed for belt in belts(0, Street(0))]
    assert 0.0 in speeds
    assert min(speeds) < -7.0  # oncoming cars
    assert CAMERA_SPEED in speeds
    assert {1.3, -1.2} <= set(speeds)  # people, both ways


def test_a_long_drive_never_runs_empty() -> None:
    for made in drive(1, 48, 96, 13, fps=0.2):  # 60 seconds, a frame every 5
        assert len(np.unique(made.labels)) >= 6


@pytest.mark.parametrize(("height", "width"), [(31, 64), (64, 31), (0, 64), (-1, -1)])
def test_a_size_under_32_is_refused(height: int, width: int) -> None:
    for make in (lambda: scene(0, height, width), lambda: drive(0, height, width, 1)):
        with pytest.raises(InputError, match=f"got scene size {height}x{width}.*need 32 or more") as refusal:
            make()
        assert "\n" not in str(refusal.value)


def test_a_drive_of_no_frames_is_refused() -> None:
    with pytest.raises(InputError, match="got frame_count 0, need 1 or more"):
        drive(0, 64, 64, 0)


@pytest.mark.parametrize("fps", [0.0, -25.0, float("nan"), float("inf")])
def test_a_rate_that_is_no_rate_is_refused(fps: float) -> None:
    with pytest.raises(InputError, match="frames a second, need a number above 0"):
        drive(0, 64, 64, 1, fps)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="got seed -1, need 0 or more"):
        scene(-1, 64, 64)
