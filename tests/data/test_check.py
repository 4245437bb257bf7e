"""What `check` finds wrong with labelled images: each planted defect, and nothing in a clean source."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from helpers.images import read_image
from helpers.progress import Told
from segdata.labels import CITYSCAPES_29
from segdata.options import CheckOptions
from segdata.prepare.check import CheckReport, check
from segdata.synth import scene

Refused = Callable[..., AbstractContextManager[None]]
Plant = Callable[[Path], None]

LABEL_IDS = np.array([ids[0] for ids in CITYSCAPES_29.label_ids], dtype=np.uint8)
IMAGE, MASK = "train/images/1.png", "train/masks/1.png"


TWO_TOML = """
name = "two"
classes = [
  { name = "bg", colour = [0, 0, 0], ids = [0] },
  { name = "thing", colour = [128, 0, 0], ids = [1] },
]
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three frames to train on and two of val, in the plain layout, without a defect."""
    for seed, (split, name) in enumerate((("train", "0"), ("train", "1"), ("train", "2"), ("val", "0"), ("val", "1"))):
        made = scene(seed, 48, 64)
        for folder, pixels in (("images", made.image[..., ::-1]), ("masks", LABEL_IDS[made.labels])):
            (tmp_path / split / folder).mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(tmp_path / split / folder / f"{name}.png"), pixels)
    return tmp_path


def looked_at(source: Path, label_space: str = CITYSCAPES_29.name) -> CheckReport:
    return check(CheckOptions(source=source, label_space=label_space))


def state(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in (folder, *folder.rglob("*"))}


def mask_becomes(change: Callable[[Image.Image], Image.Image]) -> Plant:
    def plant(source: Path) -> None:
        with Image.open(source / MASK) as mask:
            changed = change(mask.copy())
        changed.save(source / MASK)

    return plant


def ids_become(label_id: int, rows: int) -> Plant:
    def change(mask: Image.Image) -> Image.Image:
        ids = np.array(mask)
        ids[:rows, :8] = label_id
        if rows == 48:
            ids[:] = label_id
        return Image.fromarray(ids)

    return mask_becomes(change)


def dark_photo(source: Path) -> None:
    with Image.open(source / IMAGE) as image:
        grey = np.array(image.convert("L")) // 8 + np.random.default_rng(0).integers(0, 3, (48, 64))
    Image.fromarray(grey.astype(np.uint8)).save(source / MASK)


def truncated(file: str) -> Plant:
    def plant(source: Path) -> None:
        (source / file).write_bytes((source / file).read_bytes()[:-20])

    return plant


def half_a_jpeg(source: Path) -> None:
    jpeg = (source / IMAGE).with_suffix(".jpg")
    cv2.imwrite(str(jpeg), read_image(source / IMAGE))
    jpeg.write_bytes(jpeg.read_bytes()[: jpeg.stat().st_size // 2])
    (source / IMAGE).unlink()


def same_image_in_val(source: Path) -> None:
    shutil.copyfile(source / IMAGE, source / "val/images/0.png")


def photo_as_mask(source: Path) -> None:
    shutil.copyfile(source / IMAGE, source / MASK)


DEFECTS: dict[str, tuple[Plant, str, tuple[str, ...]]] = {
    "no mask": (lambda source: (source / MASK).unlink(), "missing pair", (IMAGE, "missing train/masks/1")),
    "no image": (lambda source: (source / IMAGE).unlink(), "missing pair", (MASK, "missing train/images/1")),
    "sizes": (
        mask_becomes(lambda mask: mask.crop((0, 0, 63, 48))),
        "unreadable",
        (IMAGE, MASK, "is 64x48", "is 63x48"),
    ),
    "truncated image": (truncated(IMAGE), "unreadable", (IMAGE, "not a whole image")),
    "truncated mask": (truncated(MASK), "unreadable", (MASK, "not a whole image")),
    "half a JPEG": (half_a_jpeg, "unreadable", ("train/images/1.jpg", "not a whole image")),
    "colours among ids": (
        mask_becomes(lambda mask: Image.fromarray(np.dstack([np.array(mask), np.array(mask), np.zeros_like(mask)]))),
        "unreadable",
        (MASK, "RGB PNG of 8 bits, need ids"),
    ),
    "a photo": (
        photo_as_mask,
        "unreadable",
        (MASK, "RGB PNG of 8 bits, need ids"),
    ),
    "a dark photo in grey": (
        dark_photo,
        "unreadable",
        (MASK, "as a photo's"),
    ),
    "in two splits": (same_image_in_val, "in two splits", (IMAGE, "val/images/0.png")),
    "empty labels": (ids_become(255, 48), "empty labels", (MASK, "no pixel is of any class")),
    "few unknown ids": (ids_become(77, 1), "unknown labels", (MASK, "id 77 (8 pixels)")),
    "many unknown ids": (ids_become(77, 8), "unreadable", (MASK, "id 77 (64 pixels)")),
}


def test_a_clean_source_has_no_problems(source: Path) -> None:
    before, told = state(source), Told()
    report = check(CheckOptions(source=source), told)
    assert report == CheckReport("plain", {"train": 3, "val": 2}, [], report.remarks)
    assert (told.totals, len(told.notes)) == ([5], 5)
    assert state(source) == before


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found_alone(source: Path, defect: str) -> None:
    plant, kind, words = DEFECTS[defect]
    plant(source)
    before = state(source)
    problems = looked_at(source).problems
    assert [problem.kind for problem in problems] == [kind]
    assert [word for word in words if word not in problems[0].detail] == []
    assert state(source) == before


def test_every_defect_is_listed(source: Path) -> None:
    same_image_in_val(source)
    ids_become(77, 1)(source)
    (source / "train/masks/2.png").unlink()
    assert [problem.kind for problem in looked_at(source).problems] == [
        "missing pair",
        "unknown labels",
        "in two splits",
    ]


def test_labels_without_a_class_of_the_space_wanted_are_empty(source: Path) -> None:
    ids_become(5, 48)(source)  # dynamic: a class of cityscapes-29, not scored by cityscapes-19
    assert looked_at(source).problems == []
    assert [problem.kind for problem in looked_at(source, "cityscapes-19").problems] == ["empty labels"]


def test_the_same_image_twice_in_one_split_is_no_leak(source: Path) -> None:
    shutil.copyfile(source / IMAGE, source / "train/images/0.png")
    assert looked_at(source).problems == []


def test_nothing_to_check_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused("no labelled images found"):
        looked_at(tmp_path)


def test_an_unknown_label_space_is_refused(source: Path, refused: Refused) -> None:
    with refused("got label space 'ade20k'"):
        looked_at(source, "ade20k")


def test_the_official_frames_have_no_problems(real_data: Path) -> None:
    report = looked_at(real_data / "cityscapes-official")
    assert report == CheckReport("official", {"train": 6}, [], report.remarks)
    assert report.remarks == ["train: no pixel is of parking, rail track, guard rail, bridge, tunnel and 5 more"]


def test_classes_that_never_occur_and_what_is_ignored_are_told_by_split(source: Path, tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(TWO_TOML)
    for split, high in (("train", 1), ("val", 255)):
        for file in (source / split / "masks").iterdir():
            mask = np.zeros((48, 64), np.uint8)
            mask[:12] = high
            Image.fromarray(mask).save(file)
    report = looked_at(source, str(tmp_path / "space.toml"))
    assert report.problems == []
    assert report.remarks == [
        "val: no pixel is of thing, all are of bg: nothing to tell apart",
        "val: 25.0% of the pixels are ignored (255); if 255 is a class in the masks, give it that id",
    ]


def test_a_source_of_one_class_is_a_problem(source: Path, tmp_path: Path) -> None:
    """Masks of 0 and 255, whose 255 was meant as a class: accuracy would be 100 %."""
    (tmp_path / "space.toml").write_text(TWO_TOML)
    for file in source.rglob("masks/*"):
        mask = np.zeros((48, 64), np.uint8)
        mask[:12] = 255
        Image.fromarray(mask).save(file)
    report = looked_at(source, str(tmp_path / "space.toml"))
    assert [(problem.kind, problem.detail) for problem in report.problems] == [
        ("one class", "all pixels that are of a class are bg; nothing to tell apart")
    ]
    assert "train: 25.0% of the pixels are ignored (255)" in report.remarks[1]
    (tmp_path / "space.toml").write_text(TWO_TOML.replace("[1]", "[255]"))
    assert looked_at(source, str(tmp_path / "space.toml")).problems == []
