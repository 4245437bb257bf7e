"""Accuracy: mIoU on frames that were not used for calibration, and the confidence interval of a change."""

import copy
import math
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling import args as official_arguments
from cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling import evaluateImgLists
from lightning_fabric import Fabric

from helpers.progress import Told
from segbench.measure.accuracy import ImageMatrices, accuracy_of, change_of, image_matrices
from segbench.results import AccuracyResult, Change
from segdata.dataset.dataset import Dataset, labels_file
from segdata.errors import InputError
from segdata.labels import CITYSCAPES_8, CITYSCAPES_19, CITYSCAPES_29, official_classes
from segdata.metrics import accuracy, class_iou, confusion_matrix, mean_iou
from segrun.runners.base import Frames, Inferred, Runner
from segrun.runners.onnxruntime import OnnxRuntimeRunner
from segtrain.evaluate import evaluate

if TYPE_CHECKING:
    from conftest import Artefacts

Refused = Callable[..., AbstractContextManager[None]]
Floats = npt.NDArray[np.float64]

NAMES = CITYSCAPES_29.names
THREE = ("first", "second", "third")


class AlwaysOne(Runner):
    """Predicts class 3, road, everywhere."""

    name, precision, computes, device, batch = "test", "fp32", "f32", "none", 1
    calibration_frames = frozenset[str]()

    def __init__(self, artefacts: "Artefacts") -> None:
        self.spec = artefacts.spec

    def _free(self) -> None: ...

    def _infer(self, frames: Frames) -> Inferred:
        return Inferred(np.full(frames.shape[:3], 3, dtype=np.uint8))


class Broken(OnnxRuntimeRunner):
    """Predicts sky in the leftmost `columns`."""

    columns = 4

    def _infer(self, frames: Frames) -> Inferred:
        labels = super()._infer(frames).labels.copy()
        labels[:, :, : self.columns] = NAMES.index("sky")
        return Inferred(labels)


@pytest.fixture
def copied(dataset: Dataset, tmp_path: Path) -> Dataset:
    """A copy of the dataset that a test may change."""
    shutil.copytree(dataset.folder, tmp_path / "copied")
    return Dataset(tmp_path / "copied")


def relabel(dataset: Dataset, index: int) -> None:
    """Call every pixel of one frame of val sky."""
    labels = np.load(dataset.folder / labels_file("val"))
    labels[index] = dataset.facts.class_names.index("sky")
    np.save(dataset.folder / labels_file("val"), labels)


def matrices_of(runner: Runner, dataset: Dataset) -> ImageMatrices:
    return image_matrices(runner, dataset)


def measure(runner: Runner, dataset: Dataset) -> AccuracyResult:
    return accuracy_of(matrices_of(runner, dataset), dataset.facts.class_names, None)


@pytest.fixture(scope="module")
def fp32_matrices(artefacts: "Artefacts", dataset: Dataset) -> ImageMatrices:
    with OnnxRuntimeRunner(artefacts.onnx["fp32"]) as runner:
        return matrices_of(runner, dataset)


def test_the_figures_are_those_of_the_predictions(artefacts: "Artefacts", dataset: Dataset) -> None:
    split = dataset.split("val")
    kept = [index for index in range(len(split)) if index not in dataset.facts.calibration]
    assert len(kept) == 128
    told = Told()
    with OnnxRuntimeRunner(artefacts.onnx["fp32"]) as runner:
        predictions = np.concatenate([runner(split.images[index][None]) for index in kept])
        matrices = image_matrices(runner, dataset, told)
    one_by_one = [confusion_matrix(split.labels[index], ids, 29) for index, ids in zip(kept, predictions, strict=True)]
    np.testing.assert_array_equal(matrices, one_by_one)
    assert told.notes == ["accuracy"] * 128
    found, expected = accuracy_of(matrices, NAMES, None), accuracy(np.sum(one_by_one, axis=0), NAMES)
    assert (found.miou, found.miou_official) == (expected.miou, expected.miou_official)
    assert found.pixel_accuracy == expected.pixel_accuracy
    assert 0 < expected.miou < expected.pixel_accuracy < 1


def test_each_class_has_its_iou_and_one_that_never_was_has_none() -> None:
    matrix = np.zeros((2, 29, 29), dtype=np.int64)
    road, sky, car = (NAMES.index(name) for name in ("road", "sky", "car"))
    matrix[0, road, road], matrix[1, road, sky], matrix[1, sky, sky], matrix[0, car, road] = 6, 2, 3, 1
    found = accuracy_of(matrix, NAMES, None)
    known = {name: iou for name, iou in found.class_iou.items() if iou is not None}
    assert known == {"road": 6 / 9, "sky": 3 / 5, "car": 0.0}
    assert tuple(found.class_iou) == NAMES
    assert found.miou == pytest.approx((6 / 9 + 3 / 5) / 3)


def test_a_figure_that_cannot_be_had_is_none() -> None:
    """Not NaN, which is not valid JSON."""
    found = accuracy_of(np.zeros((2, 29, 29), dtype=np.int64), NAMES, None)
    assert (found.miou, found.miou_official, found.pixel_accuracy) == (None, None, None)
    some = np.stack([np.eye(8, dtype=np.int64)])
    assert accuracy_of(some, CITYSCAPES_8.names, None).miou_official is None


def test_miou_is_that_of_all_pixels_and_no_mean_over_images() -> None:
    """One frame is all right; the other is all wrong but has hardly any pixels."""
    matrices = np.zeros((2, 3, 3), dtype=np.int64)
    matrices[0, 0, 0], matrices[1, 0, 1] = 999, 1
    assert accuracy_of(matrices, THREE, None).miou == pytest.approx((0.999 + 0) / 2)


def test_a_share_of_road_is_that_share(artefacts: "Artefacts", dataset: Dataset) -> None:
    labels = dataset.evaluation().labels
    assert measure(AlwaysOne(artefacts), dataset).pixel_accuracy == (labels == 3).sum() / (labels != 255).sum()


def test_miou_is_that_of_the_training(artefacts: "Artefacts", dataset: Dataset, fp32_matrices: ImageMatrices) -> None:
    """seg-bench on the float32 artefact in ONNX Runtime reports what seg-train does on the network in PyTorch."""
    network = evaluate(Fabric(accelerator="cpu", devices=1), artefacts.network, dataset.evaluation(), artefacts.spec)
    trained, exported = accuracy(network.matrix, NAMES), accuracy_of(fp32_matrices, NAMES, None)
    moved = np.abs(network.matrix - fp32_matrices.sum(axis=0)).sum() / 2
    assert moved <= 1e-5 * network.matrix.sum()  # pixels whose two best classes are as good as equal
    assert exported.miou is not None
    assert exported.miou_official is not None
    assert 100 * exported.miou == pytest.approx(100 * trained.miou, abs=1e-3)
    assert 100 * exported.miou_official == pytest.approx(100 * trained.miou_official, abs=1e-3)


def test_miou_is_that_of_cityscapes_own_evaluation(
    artefacts: "Artefacts", dataset: Dataset, fp32_matrices: ImageMatrices, tmp_path: Path
) -> None:
    to_label_id = np.zeros(256, dtype=np.uint8)  # what is ignored is unlabelled
    to_label_id[:29] = [ids[0] for ids in CITYSCAPES_29.label_ids]
    split = dataset.evaluation()
    files: dict[str, list[str]] = {"truth": [], "prediction": []}
    with OnnxRuntimeRunner(artefacts.onnx["fp32"]) as runner:
        for index, (frame, truth) in enumerate(zip(split.images, split.labels, strict=True)):
            for kind, labels in (("truth", truth), ("prediction", runner(frame[None])[0])):
                files[kind].append(str(tmp_path / f"{kind}_{index}.png"))
                assert cv2.imwrite(files[kind][-1], to_label_id[labels])
    arguments = copy.copy(official_arguments)
    arguments.evalInstLevelScore, arguments.JSONOutput, arguments.quiet = False, False, True
    theirs = evaluateImgLists(files["prediction"], files["truth"], arguments)
    ours = accuracy_of(fp32_matrices, NAMES, None)
    assert ours.miou_official == pytest.approx(theirs["averageScoreClasses"], abs=1e-9)
    official = official_classes(NAMES)
    for class_id, iou in zip(official, class_iou(fp32_matrices.sum(axis=0), official), strict=True):
        assert iou == pytest.approx(theirs["classScores"][NAMES[class_id]], abs=1e-9, nan_ok=True)


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
        label_space="theirs",
        class_names=CITYSCAPES_8.names,
        colours=CITYSCAPES_8.colours,
    )
    with refused(
        "has the classes of cityscapes-29, the model those of theirs; prepare it with the model's --label-space"
    ):
        measure(runner, dataset)


def test_a_dataset_of_more_classes_measures_a_model_of_fewer(artefacts: "Artefacts", dataset: Dataset) -> None:
    """By Cityscapes' own ids: of 29 classes, 19 are scored, and the others are ignored."""
    runner = AlwaysOne(artefacts)
    runner.spec = replace(
        artefacts.spec,
        label_space=CITYSCAPES_19.name,
        class_names=CITYSCAPES_19.names,
        colours=CITYSCAPES_19.colours,
    )
    found = image_matrices(runner, dataset)
    names = CITYSCAPES_29.names
    table = np.array(
        [*(CITYSCAPES_19.names.index(n) if n in CITYSCAPES_19.names else 255 for n in names), *[255] * 227]
    )
    truth = table[dataset.evaluation().labels]
    np.testing.assert_array_equal(found.sum(axis=(0, 2)), np.bincount(truth[truth < 19].ravel(), minlength=19))


def test_a_dataset_without_a_frame_to_evaluate_on_is_refused(
    artefacts: "Artefacts", copied: Dataset, refused: Refused
) -> None:
    facts = replace(copied.facts, calibration=tuple(range(160)))
    (copied.folder / "dataset.json").write_text(facts.to_json())
    with refused("copied: has no frame to evaluate on; prepare it again from more frames of val"):
        measure(AlwaysOne(artefacts), Dataset(copied.folder))


def test_frames_that_calibrated_the_artefact_are_not_measured_on(artefacts: "Artefacts", copied: Dataset) -> None:
    """The dataset's split has changed since: some of the frames that calibrated would now be measured on."""
    facts = replace(copied.facts, calibration=tuple(range(32)))
    (copied.folder / "dataset.json").write_text(facts.to_json())
    refusal = r"\d+ of the 128 evaluation frames calibrated this int8 artefact"
    with OnnxRuntimeRunner(artefacts.onnx["int8"]) as runner, pytest.raises(InputError, match=refusal):
        measure(runner, Dataset(copied.folder))
    with OnnxRuntimeRunner(artefacts.onnx["fp32"]) as runner:
        measure(runner, Dataset(copied.folder))


def the_change(matrices: ImageMatrices, reference: ImageMatrices, names: tuple[str, ...] = NAMES) -> Change:
    change = change_of(matrices, reference, names, "reference.fp32.onnx")
    assert change is not None
    return change


def test_a_part_of_each_image_that_is_wrong_is_a_change(
    artefacts: "Artefacts", dataset: Dataset, fp32_matrices: ImageMatrices
) -> None:
    with Broken(artefacts.onnx["fp32"]) as runner:
        broken = matrices_of(runner, dataset)
    change = the_change(broken, fp32_matrices)
    official = [accuracy(matrices.sum(axis=0), NAMES).miou_official for matrices in (broken, fp32_matrices)]
    assert change.points == pytest.approx(100 * (official[0] - official[1]), abs=1e-9)
    assert change.points < -0.5
    assert change.different
    assert change.low <= change.points <= change.high < 0
    assert (change.reference, change.classes) == ("reference.fp32.onnx", 19)
    back = the_change(fp32_matrices, broken)
    assert (back.points, back.different) == (-change.points, True)


def test_equal_artefacts_have_no_change_and_no_doubt(fp32_matrices: ImageMatrices) -> None:
    change = the_change(fp32_matrices.copy(), fp32_matrices)
    assert (change.points, change.low, change.high, change.different) == (0.0, 0.0, 0.0, False)


def images(count: int, seed: int, lost: float) -> tuple[ImageMatrices, ImageMatrices]:
    """Images of three classes, 1,000 pixels each: a reference that is right in nine of ten, and an artefact that is as
    good, but that on each third image calls a share `lost` of the first class the second.
    """
    random = np.random.default_rng(seed)
    reference = np.zeros((count, 3, 3), dtype=np.int64)
    for index, truth in enumerate(random.multinomial(1000, random.dirichlet((2, 2, 2), count))):
        for label, pixels in enumerate(truth):
            reference[index, label] = random.multinomial(pixels, np.full(3, 0.05) + 0.85 * np.eye(3)[label])
    artefact = reference.copy()
    wrong = random.binomial(artefact[::3, 0, 0], lost)
    artefact[::3, 0, 0] -= wrong
    artefact[::3, 0, 1] += wrong
    return artefact, reference


def test_the_interval_holds_the_true_change() -> None:
    """The truth is that of far more images than those that are measured on; an interval of 95 % misses it now and then,
    and misses it half of the time if it is too narrow by a factor of three."""
    matrices, reference = images(20_000, 1, lost=0.05)
    true = 100 * (mean_iou(matrices.sum(axis=0)) - mean_iou(reference.sum(axis=0)))
    assert -3 < true < -0.3
    changes = [the_change(*images(60, seed, lost=0.05), names=THREE) for seed in range(100, 140)]
    assert all(change.different for change in changes)
    assert sum(change.low <= true <= change.high for change in changes) >= 34
    assert np.mean([change.high - change.low for change in changes]) < -true  # and is no platitude


def test_images_are_drawn_in_pairs() -> None:
    """An image that is hard for one is hard for both: drawn separately, this small change would be lost in noise."""
    matrices, reference = images(60, 100, lost=0.05)
    paired = the_change(matrices, reference, THREE)
    apart = the_change(matrices, reference[np.random.default_rng(5).permutation(60)], THREE)
    assert paired.points == pytest.approx(apart.points)
    assert apart.high - apart.low > 2 * (paired.high - paired.low)
    assert paired.different
    assert not apart.different


def test_a_tiny_difference_on_few_images_is_no_change() -> None:
    matrices, reference = images(6, 3, lost=0)
    for index, pixels in enumerate((2, -2, 1, -1, 2, -1)):  # better here, worse there
        matrices[index, 1, 1] += pixels
        matrices[index, 1, 2] -= pixels
    change = the_change(matrices, reference, THREE)
    assert change.points != 0
    assert not change.different
    assert change.low < 0 < change.high


def plain_interval(matrices: ImageMatrices, reference: ImageMatrices, scored: list[int] | None) -> Floats:
    """The same bootstrap, one image and one draw at a time."""
    count = len(matrices)
    changes = []
    for draw in np.random.default_rng(0).integers(0, count, (1000, count)):
        both = []
        for one in (matrices, reference):
            total = np.zeros_like(one[0])
            for index in draw:
                total = total + one[index]
            both.append(100 * mean_iou(total, scored))
        changes.append(both[0] - both[1])
    known = [change for change in changes if not math.isnan(change)]
    return np.percentile(known, (2.5, 97.5))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_interval_is_that_of_the_plain_bootstrap(count: int) -> None:
    matrices, reference = images(count, 11, lost=0.2)
    change = the_change(matrices, reference, THREE)
    assert (change.low, change.high) == pytest.approx(tuple(plain_interval(matrices, reference, None)), abs=1e-9)
    assert change.classes == 3


def test_the_interval_of_the_official_classes_is_theirs(fp32_matrices: ImageMatrices) -> None:
    """One image has no labels, and some draws consist of it alone."""
    shifted = np.roll(fp32_matrices, 1, axis=2)
    few = [np.concatenate([matrices[:2], np.zeros_like(matrices[:1])]) for matrices in (shifted, fp32_matrices)]
    change = the_change(few[0], few[1])
    expected = plain_interval(few[0], few[1], official_classes(NAMES))
    assert (change.low, change.high) == pytest.approx(tuple(expected), abs=1e-9)


def test_the_interval_is_the_same_each_time() -> None:
    assert the_change(*images(20, 4, lost=0.1), names=THREE) == the_change(*images(20, 4, lost=0.1), names=THREE)


def test_where_nothing_is_labelled_there_is_no_change() -> None:
    nothing = np.zeros((3, 29, 29), dtype=np.int64)
    assert change_of(nothing, nothing, NAMES, "reference.fp32.onnx") is None


def test_large_counts_stay_exact() -> None:
    """Images of 1024x2048, 500 of them: sums beyond what a float32 holds."""
    one = np.full((500, 3, 3), 1024 * 2048 // 9, dtype=np.int64)
    other = one.copy()
    other[:, 0, 0] += 1
    change = the_change(other, one, THREE)
    assert 0 < change.low <= change.points <= change.high < 1e-4
