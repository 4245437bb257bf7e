"""Accuracy: mIoU of the artefact's own predictions, on frames that calibrated nothing."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from segbench.score import score
from segdata.dataset import Dataset, labels_file
from segdata.errors import InputError
from segdata.labels import CITYSCAPES_8
from segdata.metrics import Accuracy, accuracy, confusion_matrix
from segrun.onnxruntime_runner import OnnxRuntimeRunner
from segrun.runner import Frames, Labels, Runner

if TYPE_CHECKING:
    from conftest import Artefacts

Refused = Callable[..., AbstractContextManager[None]]


class AlwaysOne(Runner):
    """Predicts class 3, road, everywhere."""

    name, precision, computes, device, batch = "test", "fp32", "f32", "none", 1
    calibration_frames = frozenset[str]()

    def __init__(self, artefacts: "Artefacts") -> None:
        self.spec = artefacts.spec

    def _free(self) -> None: ...

    def _infer(self, frames: Frames) -> Labels:
        return np.full(frames.shape[:3], 3, dtype=np.uint8)


@pytest.fixture
def copied(dataset: Dataset, tmp_path: Path) -> Dataset:
    """A copy of the dataset, to be changed."""
    shutil.copytree(dataset.folder, tmp_path / "copied")
    return Dataset(tmp_path / "copied")


def relabel(dataset: Dataset, index: int) -> None:
    """Call every pixel of one frame of val sky."""
    labels = np.load(dataset.folder / labels_file("val"))
    labels[index] = dataset.facts.class_names.index("sky")
    np.save(dataset.folder / labels_file("val"), labels)


def measure(runner: Runner, dataset: Dataset) -> Accuracy:
    return score(runner, dataset, lambda: None)


def test_the_figures_are_those_of_the_predictions(artefacts: "Artefacts", dataset: Dataset) -> None:
    split = dataset.split("val")
    kept = [index for index in range(len(split)) if index not in dataset.facts.calibration]
    assert len(kept) == 128
    counted: list[None] = []
    with OnnxRuntimeRunner(artefacts.onnx["fp32"]) as runner:
        predictions = np.concatenate([runner(split.images[index][None]) for index in kept])
        found = score(runner, dataset, lambda: counted.append(None))
    matrix = confusion_matrix(np.array(split.labels[kept]), predictions, 29)
    assert found == accuracy(matrix, dataset.facts.class_names)
    assert 0 < found.miou < found.pixel_accuracy < 1
    assert len(counted) == 128


def test_a_share_of_road_is_that_share(artefacts: "Artefacts", dataset: Dataset) -> None:
    labels = dataset.evaluation().labels
    assert measure(AlwaysOne(artefacts), dataset).pixel_accuracy == (labels == 3).sum() / (labels != 255).sum()


def test_calibration_frames_do_not_count(artefacts: "Artefacts", copied: Dataset) -> None:
    runner = AlwaysOne(artefacts)
    before = measure(runner, copied)
    for index in copied.facts.calibration:
        relabel(copied, index)
    assert measure(runner, copied) == before


def test_evaluation_frames_do_count(artefacts: "Artefacts", copied: Dataset) -> None:
    runner = AlwaysOne(artefacts)
    before = measure(runner, copied)
    relabel(copied, next(index for index in range(160) if index not in copied.facts.calibration))
    assert measure(runner, copied) != before


def test_a_dataset_of_another_size_is_refused(artefacts: "Artefacts", dataset: Dataset, refused: Refused) -> None:
    runner = AlwaysOne(artefacts)
    runner.spec = replace(artefacts.spec, height=128, width=128)
    with refused("holds 64x64 frames, the model takes 128x128; prepare the dataset with --size 128"):
        measure(runner, dataset)


def test_a_dataset_of_other_classes_is_refused(artefacts: "Artefacts", dataset: Dataset, refused: Refused) -> None:
    runner = AlwaysOne(artefacts)
    runner.spec = replace(
        artefacts.spec,
        label_space=CITYSCAPES_8.name,
        class_names=CITYSCAPES_8.names,
        colours=CITYSCAPES_8.colours,
    )
    with refused("has the classes of cityscapes-29, the model those of cityscapes-8; need the same"):
        measure(runner, dataset)


def test_frames_that_calibrated_the_artefact_are_not_measured_on(artefacts: "Artefacts", copied: Dataset) -> None:
    """The dataset says that other frames calibrate than those which did: some would now be measured on."""
    facts = replace(copied.facts, calibration=tuple(range(32)))
    (copied.folder / "dataset.json").write_text(facts.to_json())
    refusal = r"\d+ of the 128 evaluation frames calibrated this int8 artefact"
    with OnnxRuntimeRunner(artefacts.onnx["int8"]) as runner, pytest.raises(InputError, match=refusal):
        measure(runner, Dataset(copied.folder))
    with OnnxRuntimeRunner(artefacts.onnx["fp32"]) as runner:
        measure(runner, Dataset(copied.folder))
