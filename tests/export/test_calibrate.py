"""Calibration: ranges of real activations, stored with the weights and frames they belong to."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest

from segdata.command_line.progress import Silent
from segdata.dataset.dataset import Dataset
from segdata.errors import ContractError, InputError
from segdata.images.size import Size
from segdata.options import PrepareOptions, SynthOptions
from segdata.prepare.prepare import prepare
from segdata.synth.write import write_synthetic
from segexport.quantise.calibrate import CalibrationRanges, calibration_frames, measure_ranges, read_ranges

if TYPE_CHECKING:
    from conftest import Artefacts


@pytest.fixture(scope="module")
def ranges(artefacts: "Artefacts", dataset: Dataset) -> CalibrationRanges:
    return measure_ranges(onnx.load(artefacts.onnx["fp32"]), dataset.calibration(), "f" * 64, "percentile", Silent())


def test_a_range_is_what_the_activation_takes_on_the_calibration_frames(
    artefacts: "Artefacts", dataset: Dataset, ranges: CalibrationRanges
) -> None:
    model = onnx.load(artefacts.onnx["fp32"])
    model.graph.output.append(onnx.helper.make_tensor_value_info("relu_3", onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    frames = dataset.calibration().images
    activations = np.stack([session.run(["relu_3"], {"frames": frame[None]})[0] for frame in frames])
    low, high = ranges.ranges["relu_3"]
    assert low == 0
    assert np.quantile(activations, 0.999) < high <= activations.max() * 1.001


def test_every_value_a_convolution_reads_has_a_range(artefacts: "Artefacts", ranges: CalibrationRanges) -> None:
    graph = onnx.load(artefacts.onnx["fp32"]).graph
    assert {node.input[0] for node in graph.node if node.op_type == "Conv"} <= ranges.ranges.keys()


def test_what_they_were_measured_with_is_kept(dataset: Dataset, ranges: CalibrationRanges) -> None:
    assert ranges.weights_sha256 == "f" * 64
    assert ranges.frames_sha256 == dataset.facts.calibration_sha256
    assert len(ranges.frames) == 32
    assert set(ranges.frames) == {sha256[:16] for sha256 in dataset.calibration().sha256}
    assert "99.999" in ranges.method


def test_they_come_back_from_json(tmp_path: Path, ranges: CalibrationRanges) -> None:
    path = tmp_path / "ranges.json"
    path.write_text(ranges.to_json())
    assert read_ranges(path) == ranges


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"ranges": {"a": [0]}}'])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ranges.json"
    path.write_text(text)
    with pytest.raises(ContractError, match="not calibration ranges"):
        read_ranges(path)


def test_too_few_frames_are_refused(tmp_path: Path) -> None:
    write_synthetic(SynthOptions(target=tmp_path / "pairs", train=0, val=20, size=Size(64, 64), seconds=0))
    prepare(PrepareOptions(source=tmp_path / "pairs", target=tmp_path / "few", sizes=(Size(64, 64),)))
    with pytest.raises(InputError, match=r"the 4 calibration frames .* need 32"):
        calibration_frames(Dataset(tmp_path / "few"), 100, 0)
