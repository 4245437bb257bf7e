"""What a network sees: val frames beside their truth, the prediction and where it is wrong."""

import cv2
import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from torch import nn

from segdata.dataset.dataset import SplitArrays
from segdata.dataset.show import class_legend
from segdata.labels import IGNORE_INDEX, palette
from segdata.spec import ModelSpec
from segdata.text import short
from segtrain.frames.batches import load, normalise

_SHOWN_HEIGHT = 170  # pixels
_RIGHT, _WRONG, _IGNORED = (225, 240, 225), (200, 30, 30), (128, 128, 128)

Rgb = npt.NDArray[np.uint8]


@torch.no_grad()
def predict(network: nn.Module, split: SplitArrays, spec: ModelSpec, device: torch.device) -> npt.NDArray[np.uint8]:
    """Return the labels, uint8 [N, H, W], of every frame of a small split."""
    network.eval()
    frames, _ = load(split, np.arange(len(split)), device)
    labels: npt.NDArray[np.uint8] = network(normalise(frames, spec)).argmax(dim=1).to(torch.uint8).cpu().numpy()
    return labels


def error_map(truth: npt.NDArray[np.uint8], prediction: npt.NDArray[np.uint8]) -> Rgb:
    """Return RGB uint8 [H, W, 3]: pale green where right, red where wrong, grey where the truth is unknown."""
    picture = np.full((*truth.shape, 3), _WRONG, dtype=np.uint8)
    picture[truth == prediction] = _RIGHT
    picture[truth == IGNORE_INDEX] = _IGNORED
    return picture


def plot_panels(split: SplitArrays, predictions: npt.NDArray[np.uint8], spec: ModelSpec) -> Figure:
    """Draw a row a frame: image and name, truth and prediction in true colours, the error map; a legend below."""
    colours = palette(spec.colours)
    rows = len(split)
    width = _SHOWN_HEIGHT * spec.width / spec.height
    figure = Figure(figsize=(4 * width / 80, rows * _SHOWN_HEIGHT / 80 + 1.4), layout="constrained")
    axes = figure.subplots(rows, 4, squeeze=False)
    for row, name, image, truth, prediction in zip(
        axes, split.names, split.images, split.labels, predictions, strict=True
    ):
        known = truth != IGNORE_INDEX
        accuracy = np.mean(truth[known] == prediction[known]) if known.any() else float("nan")
        pictures = (image, colours[truth], colours[prediction], error_map(truth, prediction))
        for axis, picture in zip(row, pictures, strict=True):
            axis.imshow(cv2.resize(picture, (int(width), _SHOWN_HEIGHT), interpolation=cv2.INTER_NEAREST))
            axis.set(xticks=[], yticks=[])
        row[0].set_xlabel(short(name), fontsize=8, parse_math=False)
        row[3].set_xlabel(f"{100 * accuracy:.1f} % right", fontsize=8)
    for axis, title in zip(axes[0], ("image", "truth", "prediction", "errors in red"), strict=True):
        axis.set_title(title, fontsize=9)
    present = np.union1d(split.labels, predictions)
    class_legend(figure, present.tolist(), spec.class_names, spec.colours, columns=8)
    return figure
