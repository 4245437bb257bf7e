"""Pictures of a run: they can be opened, show something, and work with any class name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text

from helpers.images import read_image
from segdata.dataset.dataset import SplitArrays
from segdata.labels import CITYSCAPES_8
from segdata.spec import ModelSpec
from segdata.synth import scene
from segtrain.history import EpochFigures
from segtrain.network.unet import UNet
from segtrain.report.panels import error_map, plot_panels, predict
from segtrain.report.plots import plot_confusion, plot_curves, plot_iou, save

CLASSES = 8
SPEC = ModelSpec(32, 64, CITYSCAPES_8.name, CITYSCAPES_8.names, CITYSCAPES_8.colours, "unet", {"width": 8, "depth": 2})
ODD_NAMES = ("$\\frac$", "$a_$ and $", "100 %", "{braces}", "Straße", "_private", "a\\b", "^x^")
RIGHT, WRONG, IGNORED = (225, 240, 225), (200, 30, 30), (128, 128, 128)


def picture(figure: Figure, folder: Path) -> npt.NDArray[np.uint8]:
    """Return the figure as `save` writes it, read again."""
    path = folder / "pictures" / "picture.png"
    save(figure, path)
    read = read_image(path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in path.parent.iterdir()] == ["picture.png"]
    return read


def is_drawn(pixels: npt.NDArray[np.uint8]) -> bool:
    share = float(np.mean((pixels < 250).any(axis=-1)))
    return min(pixels.shape[:2]) > 100 and share > 0.02 and len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.fixture
def matrix() -> npt.NDArray[np.int64]:
    """Classes 0 to 5 occur, mostly right; 6 is only ever predicted; 7 is neither."""
    matrix = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    matrix[:6, :7] = np.random.default_rng(0).integers(1, 20, (6, 7))
    matrix[range(6), range(6)] += 100
    return matrix


@pytest.fixture
def split() -> SplitArrays:
    scenes = [scene(seed, 32, 64) for seed in range(3)]
    images = np.stack([made.image for made in scenes])
    labels = np.stack([made.labels for made in scenes]) % CLASSES
    labels[:, :4] = 255
    labels[2] = 255
    images.setflags(write=False)
    labels.setflags(write=False)  # as memory maps are
    return SplitArrays(images, labels.astype(np.uint8), ("a", "b", "c"), ("0", "1", "2"))


def history(count: int, official: float = 0.2) -> list[EpochFigures]:
    return [
        EpochFigures(epoch, 2 / epoch, 0.1 * epoch, 0.6, 2.1 / epoch, miou, official, 0.5, 1e-3, 10.0, 0.1)
        for epoch, miou in enumerate([0.1, 0.3, 0.25, 0.2][:count], start=1)
    ]


def test_curves_show_train_and_val_and_the_epoch_that_was_kept(tmp_path: Path) -> None:
    figure = plot_curves(history(4))
    losses, miou, _ = figure.axes
    drawn = {str(line.get_label()): np.asarray(line.get_ydata()).tolist() for line in losses.lines}
    assert drawn["train, augmented"] == [2, 1, 2 / 3, 0.5]
    assert drawn["val"] == pytest.approx([2.1, 1.05, 0.7, 0.525])
    assert [
        np.unique(np.asarray(line.get_xdata())).tolist() for line in losses.lines if line.get_label() == "kept"
    ] == [[2]]
    (legend,) = figure.legends
    assert not any(axis.get_legend() for axis in figure.axes)  # where it could cover a curve
    assert "kept" in [text.get_text() for text in legend.get_texts()]
    assert {str(line.get_label()) for line in miou.lines} >= {"val", "val, 19 official classes"}
    assert is_drawn(picture(figure, tmp_path))


def test_the_first_epoch_is_seen() -> None:
    figure = plot_curves(history(1))
    for axis in figure.axes:
        curves = [line for line in axis.lines if line.get_linestyle() == "-"]
        assert curves
        assert all(line.get_marker() == "." for line in curves)


def test_curves_of_one_epoch_and_of_no_official_classes(tmp_path: Path) -> None:
    figure = plot_curves(history(1, official=float("nan")))
    assert "val, 19 official classes" not in texts(figure)
    assert is_drawn(picture(figure, tmp_path))


def test_curves_without_an_epoch_that_was_kept(tmp_path: Path) -> None:
    figure = plot_curves([replace(row, miou=float("nan")) for row in history(2)])
    assert "kept" not in texts(figure)
    assert is_drawn(picture(figure, tmp_path))


def test_iou_has_a_bar_a_class_and_says_which_does_not_occur(matrix: npt.NDArray[np.int64], tmp_path: Path) -> None:
    figure = plot_iou(matrix, SPEC)
    said = texts(figure)
    assert said.count("does not occur") == 1
    assert "0.0" in said  # the class that is predicted and never true
    assert set(SPEC.class_names) <= set(said)
    iou = 100 * matrix[0, 0] / (matrix[0].sum() + matrix[:, 0].sum() - matrix[0, 0])
    assert f"{iou:.1f}" in said
    assert is_drawn(picture(figure, tmp_path))


def test_confusion_gives_the_share_of_each_true_class(matrix: npt.NDArray[np.int64], tmp_path: Path) -> None:
    figure = plot_confusion(matrix, SPEC)
    said = texts(figure)
    assert f"{100 * matrix[3, 3] / matrix[3].sum():.0f}" in said
    shares = np.asarray(figure.axes[0].images[0].get_array())
    assert shares.sum(axis=1) == pytest.approx([100] * 6 + [0, 0])
    assert shares[0, 1] == pytest.approx(100 * matrix[0, 1] / matrix[0].sum())  # rows are the truth
    assert is_drawn(picture(figure, tmp_path))


def test_errors_are_red_right_is_green_and_unknown_is_grey() -> None:
    truth = np.array([[0, 1], [255, 2]], dtype=np.uint8)
    prediction = np.array([[0, 2], [1, 2]], dtype=np.uint8)
    assert error_map(truth, prediction).tolist() == [[list(RIGHT), list(WRONG)], [list(IGNORED), list(RIGHT)]]
    assert error_map(truth, prediction).dtype == np.uint8


def test_panels_have_a_row_a_frame_and_the_share_that_is_right(split: SplitArrays, tmp_path: Path) -> None:
    predictions = np.where(split.labels == 255, 3, split.labels).astype(np.uint8)
    predictions[1] = 0
    figure = plot_panels(split, predictions, SPEC)
    assert len(figure.axes) == 3 * 4
    known = split.labels[1][split.labels[1] != 255]
    said = [axis.get_xlabel() for axis in figure.axes[3::4]]
    assert said[:2] == ["100.0 % right", f"{100 * np.mean(known == 0):.1f} % right"]
    assert np.array_equal(np.asarray(figure.axes[3].images[0].get_array())[-1, -1], RIGHT)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    present = (set(np.unique(split.labels)) | set(np.unique(predictions))) - {255}
    assert legend == [SPEC.class_names[class_id] for class_id in sorted(present)]
    assert is_drawn(picture(figure, tmp_path))


def test_a_network_predicts_a_class_for_each_pixel(split: SplitArrays) -> None:
    torch.manual_seed(0)
    labels = predict(UNet(CLASSES, 8, 2).train(), split, SPEC, torch.device("cpu"))
    assert labels.dtype == np.uint8
    assert labels.shape == (3, 32, 64)
    assert labels.max() < CLASSES
    assert len(np.unique(labels)) > 1


def test_odd_class_names_are_written_as_they_are(
    matrix: npt.NDArray[np.int64], split: SplitArrays, tmp_path: Path
) -> None:
    spec = replace(SPEC, class_names=ODD_NAMES)
    everything = np.arange(32 * 64).reshape(1, 32, 64).repeat(3, axis=0) % CLASSES
    for figure in (
        plot_iou(matrix, spec),
        plot_confusion(matrix, spec),
        plot_panels(split, everything.astype(np.uint8), spec),
    ):
        assert is_drawn(picture(figure, tmp_path))
        assert set(ODD_NAMES) <= set(texts(figure))
