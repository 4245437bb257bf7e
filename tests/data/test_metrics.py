"""The figures of every report, against Cityscapes' own evaluation."""

import copy
from pathlib import Path
from typing import TypedDict

import cv2
import numpy as np
import pytest
from cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling import args as official_arguments
from cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling import evaluateImgLists
from numpy.typing import NDArray

from segdata.errors import InputError
from segdata.labels import CITYSCAPES_8, CITYSCAPES_19, CITYSCAPES_29, LabelSpace, official_classes
from segdata.metrics import accuracy, class_iou, confusion_matrix, mean_iou, pixel_accuracy
from segdata.synth import scene

Mask = NDArray[np.uint8]
POLEGROUP = 18  # Cityscapes does not score it; its colour is pole's, so cityscapes-29 cannot leave it out


class OfficialFigures(TypedDict):
    """What is used of the official script's result."""

    classScores: dict[str, float]
    averageScoreClasses: float


def evaluate_officially(folder: Path, truths: list[Mask], predictions: list[Mask]) -> OfficialFigures:
    """Return what cityscapesscripts computes from labelId images."""
    files: dict[str, list[str]] = {"truth": [], "prediction": []}
    for kind, masks in (("truth", truths), ("prediction", predictions)):
        for index, mask in enumerate(masks):
            file = str(folder / f"{kind}_{index}.png")
            cv2.imwrite(file, mask)
            files[kind].append(file)
    arguments = copy.copy(official_arguments)
    arguments.evalInstLevelScore, arguments.JSONOutput, arguments.quiet = False, False, True
    result: OfficialFigures = evaluateImgLists(files["prediction"], files["truth"], arguments)
    return result


def random_masks(space: LabelSpace, seed: int, truth_ids: list[int], predicted: list[int]) -> tuple[Mask, Mask]:
    """Return labelIds of `truth_ids` and class ids of `predicted`, which are right in about half of the pixels."""
    generator = np.random.default_rng(seed)
    label_ids = generator.choice(np.array(truth_ids, dtype=np.uint8), (40, 50))
    prediction = generator.choice(np.array(predicted, dtype=np.uint8), (40, 50))
    truth = space.lookup_from_label_ids()[label_ids]
    right = (generator.random((40, 50)) < 0.5) & np.isin(truth, predicted)
    return label_ids, np.where(right, truth, prediction).astype(np.uint8)


ALL_LABEL_IDS = [label_id for label_id in range(34) if label_id != POLEGROUP]


@pytest.mark.parametrize("space", [CITYSCAPES_19, CITYSCAPES_29], ids=lambda space: space.name)
@pytest.mark.parametrize(
    ("truth_ids", "absent_from_prediction"),
    [
        pytest.param(ALL_LABEL_IDS, 0, id="every class, scored or not"),
        pytest.param([4, 7, 8, 11, 21, 26, 29], 0, id="most classes predicted only"),
        pytest.param(ALL_LABEL_IDS, 10, id="classes never predicted"),
        pytest.param([7, 23], 15, id="classes in neither"),
    ],
)
def test_the_official_figures_are_those_of_cityscapesscripts(
    tmp_path: Path, space: LabelSpace, truth_ids: list[int], absent_from_prediction: int
) -> None:
    predicted = list(range(absent_from_prediction, space.class_count))
    masks = [random_masks(space, seed, truth_ids, predicted) for seed in range(3)]
    to_label_id = np.array([ids[0] for ids in space.label_ids], dtype=np.uint8)
    theirs = evaluate_officially(tmp_path, [truth for truth, _ in masks], [to_label_id[ids] for _, ids in masks])

    lookup = space.lookup_from_label_ids()
    matrix = np.sum([confusion_matrix(lookup[truth], ids, space.class_count) for truth, ids in masks], axis=0)
    scored = official_classes(space.names)
    ours = dict(zip((space.names[class_id] for class_id in scored), class_iou(matrix, scored), strict=True))
    assert len(ours) == 19
    for name, iou in ours.items():
        assert iou == pytest.approx(theirs["classScores"][name], abs=1e-9, nan_ok=True), name
    assert mean_iou(matrix, scored) == pytest.approx(theirs["averageScoreClasses"], abs=1e-9)
    assert accuracy(matrix, space.names).miou_official == mean_iou(matrix, scored)


def test_the_comparison_meets_absent_classes(tmp_path: Path) -> None:
    """Both say NaN for a class that is neither true nor predicted, and leave it out of the mean."""
    truth = np.full((4, 4), 7, dtype=np.uint8)
    theirs = evaluate_officially(tmp_path, [truth], [truth])
    matrix = confusion_matrix(truth * 0, truth * 0, 19)
    assert np.isnan(theirs["classScores"]["sky"])
    assert np.isnan(class_iou(matrix)[1:]).all()
    assert mean_iou(matrix) == theirs["averageScoreClasses"] == 1.0


def test_a_matrix_counts_pixels_by_truth_and_prediction() -> None:
    truth = np.array([[0, 0, 1], [1, 2, 255]], dtype=np.uint8)
    prediction = np.array([[0, 1, 1], [1, 0, 2]], dtype=np.uint8)
    matrix = confusion_matrix(truth, prediction, 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert matrix.dtype == np.int64
    assert class_iou(matrix).tolist() == [1 / 3, 2 / 3, 0.0]
    assert mean_iou(matrix) == pytest.approx(1 / 3)
    assert pixel_accuracy(matrix) == 3 / 5


def test_counts_do_not_wrap() -> None:
    one_class = np.zeros((300, 300), dtype=np.uint8)
    assert confusion_matrix(one_class, one_class, 29)[0, 0] == 90_000
    a_large_set = np.array([[3, 1], [0, 2]], dtype=np.int64) * 10**12
    assert class_iou(a_large_set).tolist() == [3 / 4, 2 / 3]


def test_ignored_pixels_count_nowhere() -> None:
    labels = scene(1, 64, 128).labels
    prediction = scene(2, 64, 128).labels
    holes = np.random.default_rng(0).random(labels.shape) < 0.3
    with_holes = np.where(holes, np.uint8(255), labels)
    matrix = confusion_matrix(with_holes, prediction, 29)
    assert matrix.sum() == (~holes).sum()
    assert np.array_equal(matrix, confusion_matrix(labels[~holes], prediction[~holes], 29))


def test_images_added_up_are_one_set() -> None:
    truths = np.stack([scene(seed, 64, 128).labels for seed in range(4)])
    predictions = np.stack([scene(seed + 10, 64, 128).labels for seed in range(4)])
    one_by_one = sum(confusion_matrix(truth, ids, 29) for truth, ids in zip(truths, predictions, strict=True))
    assert np.array_equal(one_by_one, confusion_matrix(truths, predictions, 29))


def test_a_perfect_prediction_scores_one() -> None:
    labels = scene(3, 64, 128).labels
    found = accuracy(confusion_matrix(labels, labels, 29), CITYSCAPES_29.names)
    assert (found.miou, found.miou_official, found.pixel_accuracy) == (1.0, 1.0, 1.0)


def test_a_constant_prediction_scores_as_little_as_it_is_worth() -> None:
    """In the notebook that this project started from, a constant prediction scored 0.48."""
    truth = np.stack([scene(seed, 64, 128).labels for seed in range(6)])
    share = np.bincount(truth.ravel()) / truth.size
    constant = np.full_like(truth, share.argmax())
    miou = mean_iou(confusion_matrix(truth, constant, 29))
    assert miou == pytest.approx(share.max() / np.count_nonzero(share))
    assert miou < 0.05


def test_nothing_measured_is_no_figure() -> None:
    nothing = confusion_matrix(np.full((2, 2), 255, dtype=np.uint8), np.zeros((2, 2), dtype=np.uint8), 19)
    found = accuracy(nothing, CITYSCAPES_19.names)
    assert np.isnan([found.miou, found.miou_official, found.pixel_accuracy]).all()


def test_a_space_without_the_official_classes_has_no_official_figure() -> None:
    labels = np.arange(8, dtype=np.uint8)
    found = accuracy(confusion_matrix(labels, labels, 8), CITYSCAPES_8.names)
    assert found.miou == 1.0
    assert np.isnan(found.miou_official)


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        ([0, 1], [[0, 1]], r"got truth of shape \(2,\) and prediction of shape \(1, 2\), need one shape"),
        ([0, 19], [0, 1], "got class id 19 in the truth, need ids below 19"),
        ([0, 1], [0, 19], "got class id 19 in the prediction, need ids below 19"),
        ([0, 1], [0, 255], "got class id 255 in the prediction, need ids below 19"),
    ],
)
def test_what_cannot_be_counted_is_refused(truth: list[int], prediction: list[int], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        confusion_matrix(np.array(truth, dtype=np.uint8), np.array(prediction, dtype=np.uint8), 19)
