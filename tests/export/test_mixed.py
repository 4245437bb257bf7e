"""Mixed precision: the layer that loses accuracy is found and left in float, and no more than necessary."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnx
import pytest

from segdata.command_line.progress import Silent
from segdata.dataset.dataset import Dataset, SplitArrays
from segdata.errors import VerificationError
from segexport.quantise.calibrate import CalibrationRanges, measure_ranges
from segexport.quantise.mixed import Mixture, mix, plot_ranking, write_ranking
from segexport.quantise.to_int8 import quantisable, to_int8

if TYPE_CHECKING:
    from conftest import Artefacts

SPOILED = "conv_1"
BUDGET = 0.5  # points of mIoU


@pytest.fixture(scope="module")
def model(artefacts: "Artefacts") -> onnx.ModelProto:
    return onnx.load(artefacts.onnx["fp32"])


@pytest.fixture(scope="module")
def frames(dataset: Dataset) -> SplitArrays:
    return dataset.calibration()


@pytest.fixture(scope="module")
def spoiled(model: onnx.ModelProto, frames: SplitArrays) -> CalibrationRanges:
    """Correct ranges except for one layer's input, whose values all round to zero."""
    ranges = measure_ranges(model, frames, "f" * 64, "percentile", Silent())
    name = next(node.input[0] for node in model.graph.node if node.name == SPOILED)
    return replace(ranges, ranges={**ranges.ranges, name: (0.0, 1e4)})


@pytest.fixture(scope="module")
def mixture(model: onnx.ModelProto, frames: SplitArrays, spoiled: CalibrationRanges) -> Mixture:
    return mix(model, spoiled, frames, BUDGET, Silent())


def test_the_layer_that_costs_most_stands_first_and_stays_float(mixture: Mixture) -> None:
    assert mixture.ranking[0].layer == SPOILED
    assert mixture.keep_float[0] == SPOILED
    assert mixture.ranking[0].miou_drop > BUDGET >= mixture.miou_drop


def test_every_layer_that_int8_takes_is_ranked_once(mixture: Mixture, model: onnx.ModelProto) -> None:
    assert sorted(cost.layer for cost in mixture.ranking) == sorted(quantisable(model))
    drops = [cost.miou_drop for cost in mixture.ranking]
    assert drops == sorted(drops, reverse=True)


def test_no_more_layers_stay_float_than_the_budget_asks(
    model: onnx.ModelProto, frames: SplitArrays, spoiled: CalibrationRanges, mixture: Mixture
) -> None:
    assert len(mixture.keep_float) < len(mixture.ranking) / 2
    generous = mix(model, spoiled, frames, 100.0, Silent())
    assert generous.keep_float == ()


def test_the_layers_left_in_float_have_no_int8_inputs(
    model: onnx.ModelProto, spoiled: CalibrationRanges, mixture: Mixture
) -> None:
    graph = to_int8(model, spoiled, mixture.keep_float).graph
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type == "Conv" and node.name in quantisable(model):
            is_int8 = {made_by.get(name) for name in node.input[:2]} == {"DequantizeLinear"}
            assert is_int8 == (node.name not in mixture.keep_float)


def test_a_budget_that_no_mixture_meets_is_refused(
    model: onnx.ModelProto, frames: SplitArrays, spoiled: CalibrationRanges
) -> None:
    with pytest.raises(VerificationError, match="got --max-drop -90, but INT8 loses") as refusal:
        mix(model, spoiled, frames.subset(np.arange(2)), -90.0, Silent())
    assert "\n" not in str(refusal.value)


def test_the_ranking_is_written_as_csv_and_drawn(mixture: Mixture, tmp_path: Path) -> None:
    write_ranking(mixture, tmp_path / "layers.csv")
    plot_ranking(mixture, tmp_path / "layers.png")
    with (tmp_path / "layers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["layer"] for row in rows] == [cost.layer for cost in mixture.ranking]
    assert [row["layer"] for row in rows if row["kept_float"] == "True"] == list(mixture.keep_float)
    picture = cv2.imread(str(tmp_path / "layers.png"))
    assert picture is not None
    assert picture.std() > 10
