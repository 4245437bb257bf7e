"""From the network's labels to those of the outputs: merged classes, brighter colours, votes over time."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from helpers.segmented_frames import segmented
from segdata.labels import CITYSCAPES_8, CITYSCAPES_19, CITYSCAPES_29, IGNORE_INDEX, LabelSpace
from segdata.spec import ModelSpec
from segrun.classes import merged, vivid
from segrun.frame import Segmented
from segrun.options import RunOptions
from segrun.refinement import Refinement, majority, voted

if TYPE_CHECKING:
    from conftest import Refused

ROAD, WALL, BUS, TRACK = (CITYSCAPES_29.names.index(name) for name in ("road", "wall", "bus", "rail track"))

TWO = """
name = "two"
classes = [
  {{ name = "way", colour = [0, 255, 0], ids = {} }},
  {{ name = "rest", colour = [255, 0, 0], ids = {} }},
]
"""


def spec_of(space: LabelSpace, name: str | None = None) -> ModelSpec:
    return ModelSpec(64, 64, name or space.name, space.names, space.colours, "unet", {})


def test_classes_merge_into_the_official_ones() -> None:
    spec, table = merged(spec_of(CITYSCAPES_29), "cityscapes-8")
    assert (spec.class_names, spec.colours) == (CITYSCAPES_8.names, CITYSCAPES_8.colours)
    found = [spec.class_names[table[each]] for each in (ROAD, WALL, BUS, TRACK)]
    assert found == ["flat", "construction", "vehicle", "flat"]
    assert (table[29:] == IGNORE_INDEX).all()


def test_a_class_that_the_others_do_not_have_goes_nowhere() -> None:
    spec, table = merged(spec_of(CITYSCAPES_29), "19")
    assert spec.label_space == "cityscapes-19"
    assert table[TRACK] == IGNORE_INDEX
    assert spec.class_names[table[BUS]] == "bus"


def test_a_network_from_elsewhere_merges_by_its_names() -> None:
    foreign = LabelSpace("", ("Sky", "pedestrian", "road"), ((0, 0, 0),) * 3, ((), (), ()))
    spec, table = merged(spec_of(foreign, "someone's"), "8")
    assert [spec.class_names[table[index]] if table[index] < 255 else "" for index in range(3)] == ["sky", "", "flat"]


def test_the_ids_of_a_file_are_label_ids_or_those_of_the_model(tmp_path: Path) -> None:
    file = tmp_path / "two.toml"
    file.write_text(TWO.format("[7, 10]", "[11, 28]"))
    spec, table = merged(spec_of(CITYSCAPES_29), str(file))
    assert [table[each] for each in (ROAD, TRACK, BUS, WALL)] == [0, 0, 1, IGNORE_INDEX]
    assert spec.colours == ((0, 255, 0), (255, 0, 0))
    file.write_text(TWO.format("[0, 2]", "[1]"))
    lanes = LabelSpace("", ("left", "kerb", "right"), ((0, 0, 0),) * 3, ((), (), ()))
    assert list(merged(spec_of(lanes, "lanes"), str(file))[1][:4]) == [0, 1, 0, IGNORE_INDEX]


def test_what_cannot_be_merged_is_one_line(tmp_path: Path, refused: "Refused") -> None:
    with refused("got --classes cityscape-8, need one of cityscapes-29, cityscapes-19, cityscapes-8, or a .toml"):
        merged(spec_of(CITYSCAPES_29), "cityscape-8")
    with refused("nothing.toml: cannot be read"):
        merged(spec_of(CITYSCAPES_29), str(tmp_path / "nothing.toml"))
    with refused("flat would have to be split into road, sidewalk"):
        merged(spec_of(CITYSCAPES_8), "cityscapes-19")
    lanes = LabelSpace("", ("left", "right"), ((0, 0, 0),) * 2, ((), ()))
    with refused(r"none of the model's classes \(left, right\); write a label space whose ids are the model's"):
        merged(spec_of(lanes, "lanes"), "8")


def lab_of(colour: tuple[int, int, int]) -> np.ndarray:
    lab = cv2.cvtColor(np.array([[colour]], np.float32) / 255, cv2.COLOR_RGB2Lab)
    return np.asarray(lab[0, 0], np.float64)


def test_vivid_colours_are_brighter_and_farther_apart() -> None:
    space = CITYSCAPES_19
    own, bright = ([lab_of(colour) for colour in colours] for colours in (space.colours, vivid(space.names)))
    assert np.mean([lab[0] for lab in bright]) > np.mean([lab[0] for lab in own])
    nearest = [min(float(np.linalg.norm(a - b)) for a, b in combinations(labs, 2)) for labs in (own, bright)]
    assert nearest[1] > nearest[0]
    assert nearest[1] > 15  # differences of 2.3 can just be seen


def test_vivid_has_a_colour_for_every_class_whatever_its_name() -> None:
    names = [*CITYSCAPES_29.names, *(f"lane {index}" for index in range(40))]
    colours = vivid(names)
    assert len(set(colours)) == len(names)
    assert all(0 <= value <= 255 for colour in colours for value in colour)


def frames_of(*rows: list[int]) -> list[Segmented]:
    """Frames of a few pixels each."""
    return [
        replace(segmented(index), labels=np.array([row], np.uint8), confidence=None) for index, row in enumerate(rows)
    ]


def test_what_one_frame_says_alone_is_outvoted_by_its_neighbours() -> None:
    frames = frames_of([1, 1, 1], [1, 5, 1], [1, 1, 2], [1, 1, 2], [1, 1, 2])
    found = [frame.labels[0].tolist() for frame in voted(iter(frames), 3)]
    assert found == [[1, 1, 1], [1, 1, 1], [1, 1, 2], [1, 1, 2], [1, 1, 2]]


@pytest.mark.parametrize("count", [3, 5, 9])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 30])
def test_votes_are_those_of_the_frames_on_both_sides(count: int, length: int) -> None:
    random = np.random.default_rng(length)
    frames = frames_of(*random.integers(0, 3, (length, 50)).tolist())
    found = list(voted(iter(frames), count))
    assert [frame.frame for frame in found] == [frame.frame for frame in frames]
    for index, frame in enumerate(found):
        ballots = [each.labels[0] for each in frames[max(0, index - count // 2) : index + count // 2 + 1]]
        for pixel, winner in enumerate(frame.labels[0]):
            votes = np.bincount([ballot[pixel] for ballot in ballots])
            own = frames[index].labels[0][pixel]
            assert votes[winner] == votes.max()
            assert winner == own or votes[own] < votes.max()


def test_no_frame_is_changed_by_a_vote() -> None:
    ballots = [np.array([[1, 2, 3]], np.uint8), np.array([[1, 5, 3]], np.uint8), np.array([[1, 2, 9]], np.uint8)]
    kept = [ballot.copy() for ballot in ballots]
    assert majority(ballots, 1).tolist() == [[1, 2, 3]]
    for ballot, before in zip(ballots, kept, strict=True):
        np.testing.assert_array_equal(ballot, before)


def test_a_frame_comes_out_when_half_of_the_others_have_come() -> None:
    taken = []

    def counted() -> object:
        for frame in frames_of([1], [1], [1], [1]):
            taken.append(frame)
            yield frame

    next(voted(counted(), 3))  # type: ignore[arg-type] # a generator that counts
    assert len(taken) == 2


def test_all_steps_together() -> None:
    options = RunOptions(inputs=("x",), classes="8", palette="vivid", smooth=3)
    refinement = Refinement.asked(options, spec_of(CITYSCAPES_29))
    frames = frames_of([ROAD, WALL], [BUS, WALL], [TRACK, WALL])
    found = list(refinement(iter(frames)))
    flat, construction = (CITYSCAPES_8.names.index(name) for name in ("flat", "construction"))
    assert [frame.labels[0].tolist() for frame in found] == [[flat, construction]] * 3
    assert found[0].shares == {"construction": 0.5, "flat": 0.5}
    assert refinement.spec.colours == vivid(CITYSCAPES_8.names)
