"""Training on with INT8 in place: weights learn to live with coarse scales, and come back as plain convolutions."""

from dataclasses import replace
from typing import TYPE_CHECKING

import onnx
import pytest
import torch
from torch import nn

from segdata.dataset import Dataset
from segdata.metrics import confusion_matrix, pixel_accuracy
from segexport.calibrate import CalibrationRanges, measure_ranges
from segexport.mixed import labels_of
from segexport.qat import train_on
from segexport.to_int8 import to_int8
from segexport.to_onnx import to_onnx
from segtrain.unet import UNet

if TYPE_CHECKING:
    from conftest import Artefacts


@pytest.fixture(scope="module")
def coarse(artefacts: "Artefacts", dataset: Dataset) -> CalibrationRanges:
    """Ranges forty times too wide: three levels are left of 128."""
    model = onnx.load(artefacts.onnx["fp32"])
    ranges = measure_ranges(model, dataset.calibration(), "f" * 64, "percentile", lambda: None)
    wide = {name: (40 * low, 40 * high) for name, (low, high) in ranges.ranges.items()}
    return replace(ranges, ranges=wide)


@pytest.fixture(scope="module")
def tuned(artefacts: "Artefacts", dataset: Dataset, coarse: CalibrationRanges) -> UNet:
    return tuned_by(artefacts, dataset, coarse)


def tuned_by(artefacts: "Artefacts", dataset: Dataset, ranges: CalibrationRanges) -> UNet:
    graph = onnx.load(artefacts.onnx["fp32"]).graph
    return train_on(artefacts.network, artefacts.spec, graph, ranges, dataset, 8, 0, lambda _: None, lambda: None)


def accuracy_of(model: onnx.ModelProto, dataset: Dataset, class_count: int) -> float:
    frames = dataset.evaluation()
    return pixel_accuracy(confusion_matrix(frames.labels, labels_of(model, frames, lambda: None), class_count))


def test_int8_is_better_after_it_than_before(
    artefacts: "Artefacts", dataset: Dataset, coarse: CalibrationRanges, tuned: UNet
) -> None:
    before = to_int8(onnx.load(artefacts.onnx["fp32"]), coarse)
    after = to_int8(to_onnx(tuned, artefacts.spec, "fp32"), coarse)
    classes = artefacts.spec.class_count
    assert accuracy_of(after, dataset, classes) > accuracy_of(before, dataset, classes) + 0.01


def test_the_result_is_a_plain_network_and_the_original_is_untouched(artefacts: "Artefacts", tuned: UNet) -> None:
    assert {type(layer) for layer in tuned.modules()} <= {type(layer) for layer in artefacts.network.modules()} | {
        nn.Identity
    }
    frames = torch.rand(1, 3, 64, 64)
    assert not torch.equal(tuned(frames), artefacts.network(frames))


def test_the_same_seed_gives_the_same_weights(
    artefacts: "Artefacts", dataset: Dataset, coarse: CalibrationRanges, tuned: UNet
) -> None:
    again = tuned_by(artefacts, dataset, coarse)
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, tuned.state_dict()[name]), name
