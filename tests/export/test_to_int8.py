"""INT8: explicit Q/DQ in the form TensorRT wants, where it pays and nowhere else."""

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from segdata.dataset.dataset import Dataset
from segdata.errors import ContractError
from segexport.quantise.calibrate import CalibrationRanges
from segexport.quantise.to_int8 import to_int8
from segrun.runners.onnxruntime import OnnxRuntimeRunner

if TYPE_CHECKING:
    from conftest import Artefacts


@pytest.fixture
def graph(artefacts: "Artefacts") -> onnx.GraphProto:
    return onnx.load(artefacts.onnx["int8"]).graph


def producers(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    return {output: node for node in graph.node for output in node.output}


def values(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def test_both_inputs_of_every_convolution_but_the_head_are_int8(graph: onnx.GraphProto) -> None:
    made_by = producers(graph)
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    for node in convolutions[:-1]:
        assert [made_by[name].op_type for name in node.input[:2]] == ["DequantizeLinear", "DequantizeLinear"]
    assert made_by[convolutions[-1].input[0]].op_type == "Relu"


def test_every_node_stands_behind_what_it_reads(artefacts: "Artefacts") -> None:
    """ONNX requires this order, and readers other than ONNX Runtime may rely on it."""
    onnx.checker.check_model(onnx.load(artefacts.onnx["int8"]))


def test_nothing_else_is_quantised(graph: onnx.GraphProto) -> None:
    """Q/DQ anywhere else would prevent TensorRT's fusions: convolution with ReLU, Concat with the next layer."""
    made_by = producers(graph)
    for node in graph.node:
        if node.op_type in ("Relu", "MaxPool", "Concat", "ConvTranspose", "ArgMax"):
            assert "DequantizeLinear" not in {made_by[name].op_type for name in node.input if name in made_by}


def test_scales_are_symmetric_and_weights_have_one_a_channel(graph: onnx.GraphProto) -> None:
    constants = values(graph)
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero_point = constants[node.input[2]]
            assert zero_point.dtype == np.int8
            assert not zero_point.any()
    weights = [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in constants]
    assert len(weights) == 17
    for node in weights:
        assert constants[node.input[1]].shape == (constants[node.input[0]].shape[0],)


def test_two_products_fit_into_16_bits(graph: onnx.GraphProto) -> None:
    """AVX2 without VNNI adds them there, and cuts off what does not fit: OpenVINO lost 1.5 points of mIoU by it."""
    constants = values(graph)
    weights = [constants[node.input[0]] for node in graph.node if node.input and node.input[0] in constants]
    weights = [weight for weight in weights if weight.dtype == np.int8]
    assert len(weights) == 17
    largest = max(int(np.abs(weight.astype(int)).max()) for weight in weights)
    assert 2 * 255 * largest <= np.iinfo(np.int16).max


def test_biases_stay_float(graph: onnx.GraphProto) -> None:
    constants = values(graph)
    biases = [constants[node.input[2]] for node in graph.node if node.op_type == "Conv"]
    assert {bias.dtype for bias in biases} == {np.dtype(np.float32)}


def test_it_still_finds_what_the_float_model_finds(artefacts: "Artefacts", dataset: Dataset) -> None:
    frames = dataset.evaluation().images[:40]
    found = []
    for precision in ("fp32", "int8"):
        with OnnxRuntimeRunner(artefacts.onnx[precision]) as runner:
            found.append(np.stack([runner(frame[None])[0] for frame in frames]))
    assert np.mean(found[0] == found[1]) > 0.96
    assert not np.array_equal(found[0], found[1])  # it is really quantised


def test_ranges_of_another_graph_are_refused(artefacts: "Artefacts") -> None:
    with pytest.raises(ContractError, match="have no add_0; use --calibration"):
        to_int8(onnx.load(artefacts.onnx["fp32"]), CalibrationRanges("", "", ("a",), "", {"relu_99": (0.0, 1.0)}))
