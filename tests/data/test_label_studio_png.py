"""Label Studio's "brush labels to PNG": masks whose names say task and label, images that a task list or names tell."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from helpers.commands import run_command
from helpers.labelled_files import photo, save
from segdata.labels import LabelSpace
from segdata.prepare.labels.reading import read_pair
from segdata.prepare.layouts.find import complete, find_layout

Refused = Callable[..., AbstractContextManager[None]]

HEIGHT, WIDTH = 24, 32
SPACE = LabelSpace("three", ("road", "car", "traffic-light"), ((1, 1, 1), (2, 2, 2), (3, 3, 3)), ((1,), (2,), (3,)))


def alpha(seed: int) -> npt.NDArray[np.uint8]:
    """Return what the tool writes of a brush: 255 where it was, 0 elsewhere, and between at soft edges."""
    random = np.random.default_rng(seed)
    made = (random.random((HEIGHT, WIDTH)) > 0.6) * random.integers(1, 256, (HEIGHT, WIDTH), np.uint8)
    return np.asarray(made, np.uint8)


def write_mask(
    folder: Path, task: int, label: str, number: int, seed: int, annotation: int = 7, by: str = "-by-me@here.org"
) -> npt.NDArray[np.bool_]:
    """Write one mask as label_studio_converter's `save_brush_images_from_annotation` names it; return its pixels."""
    made = alpha(seed)
    save(folder / f"task-{task}-annotation-{annotation}{by}-tag-{label}-{number}.png", made)
    return made > 0


def only_labels(source: Path) -> npt.NDArray[np.uint8]:
    (pair,) = find_layout(source, SPACE).pairs
    return read_pair(pair, SPACE).labels


@pytest.mark.parametrize("by", ["-by-me@here.org", "-by-1", "-by-", ""])
def test_masks_are_drawn_by_label_and_number(tmp_path: Path, by: str) -> None:
    save(tmp_path / "images/street.jpg", photo(0, HEIGHT, WIDTH))
    (tmp_path / "tasks.json").write_text(json.dumps([{"id": 12, "image": "/data/upload/3/0a1b2c3d-street.jpg"}]))
    wanted = np.full((HEIGHT, WIDTH), 255, np.uint8)
    for seed, (label, number) in enumerate([("car", 0), ("car", 1), ("road", 0), ("traffic-light", 0)]):
        wanted[write_mask(tmp_path / "masks", 12, label, number, seed, by=by)] = SPACE.names.index(label)
    assert find_layout(tmp_path, SPACE).layout == "Label Studio PNG"
    assert np.array_equal(only_labels(tmp_path), wanted)


def test_images_may_be_called_after_their_tasks(tmp_path: Path) -> None:
    for task, name in ((1, "task-1.png"), (2, "2.jpg")):
        save(tmp_path / name, photo(task, HEIGHT, WIDTH))
        write_mask(tmp_path, task, "road", 0, task)
    pairs = find_layout(tmp_path, SPACE).pairs
    assert [(pair.name, pair.image.name) for pair in pairs] == [("2", "2.jpg"), ("task-1", "task-1.png")]
    for pair, task in zip(pairs, (2, 1), strict=True):
        assert np.array_equal(read_pair(pair, SPACE).labels == 0, alpha(task) > 0)


def test_the_last_annotation_of_a_task_counts(tmp_path: Path) -> None:
    save(tmp_path / "1.png", photo(0, HEIGHT, WIDTH))
    write_mask(tmp_path, 1, "road", 0, 1, annotation=9)
    last = write_mask(tmp_path, 1, "car", 0, 2, annotation=10)
    assert np.array_equal(only_labels(tmp_path), np.where(last, 1, 255))


def test_an_export_with_the_brushes_themselves_is_read_instead(tmp_path: Path) -> None:
    save(tmp_path / "a.png", photo(0, HEIGHT, WIDTH))
    write_mask(tmp_path, 1, "road", 0, 1)
    value = {"points": [[0, 0], [100, 0], [100, 100], [0, 100]], "polygonlabels": ["car"]}
    region = {"type": "polygonlabels", "original_width": WIDTH, "original_height": HEIGHT, "value": value}
    task = {"id": 1, "data": {"image": "a.png"}, "annotations": [{"result": [region]}]}
    (tmp_path / "export.json").write_text(json.dumps([task]))
    assert find_layout(tmp_path, SPACE).layout == "Label Studio"
    assert (only_labels(tmp_path) == 1).all()


def test_masks_of_a_task_without_its_image_are_told(tmp_path: Path, refused: Refused) -> None:
    write_mask(tmp_path, 4, "road", 0, 1)
    with refused("add the image of task 4, or a JSON export that names it"):
        complete(tmp_path, find_layout(tmp_path, SPACE))


@pytest.mark.parametrize(
    ("label", "task", "said"),
    [
        ("tram", {"id": 1, "image": "a.png"}, "Label Studio PNG annotations of tram, not in three"),
        ("road", {"id": 1, "image": "../../a.png"}, "leads out of"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, refused: Refused, label: str, task: object, said: str) -> None:
    save(tmp_path / "in/a.png", photo(0, HEIGHT, WIDTH))
    write_mask(tmp_path / "in", 1, label, 0, 1)
    (tmp_path / "in/tasks.json").write_text(json.dumps([task]))
    with refused(said):
        find_layout(tmp_path / "in", SPACE)


def test_a_mask_of_another_size_and_half_a_mask_are_refused(tmp_path: Path, refused: Refused) -> None:
    save(tmp_path / "1.png", photo(0, HEIGHT, WIDTH))
    file = save(tmp_path / "task-1-annotation-1-by-1-tag-road-0.png", Image.new("L", (8, 8), 255))
    with refused(r"a road: .* is 8x8, the image 32x24; need one size"):
        only_labels(tmp_path)
    file.write_bytes(file.read_bytes()[:40])
    with refused("is not a whole image"):
        only_labels(tmp_path)


def test_the_commands_read_them(tmp_path: Path) -> None:
    source = tmp_path / "export"
    for task in range(1, 4):
        save(source / f"{task}.png", photo(task, HEIGHT, WIDTH))
        write_mask(source, task, "road", 0, task)
        write_mask(source, task, "sky", 0, task + 9)
    own = tmp_path / "own.toml"
    for words in (
        ("classes", source, "-o", own),
        ("check", source, "--label-space", own),
        ("show", source, "--label-space", own, "-o", tmp_path / "shown"),
        ("prepare", source, tmp_path / "made", "--label-space", own, "--size", "16"),
        ("convert", source, tmp_path / "voc", "--label-space", own, "--to", "voc"),
    ):
        ran = run_command("seg-data", *words)
        assert ran.returncode == 0, ran.stderr
