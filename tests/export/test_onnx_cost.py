"""What an ONNX model costs, and what its layers compute in: the figures of the network it was made from."""

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from segdata.errors import ContractError
from segdata.labels import CITYSCAPES_29
from segdata.spec import ModelSpec, Precision
from segexport.graph.cost import cost_of_onnx
from segexport.graph.to_onnx import to_onnx
from segtrain.network.checkpoint import build_network
from segtrain.report.summary import cost_of

if TYPE_CHECKING:
    from conftest import Artefacts

# The multiply-accumulates of the small network by hand: 64x64 pixels, half of that from the stem on, 16, 32, 64 and 128
# channels, 29 classes.
_STEM = 32 * 32 * 9 * (3 * 16 + 16 * 16)
_ENCODERS = 9 * (16 * 16 * (16 * 32 + 32 * 32) + 8 * 8 * (32 * 64 + 64 * 64) + 4 * 4 * (64 * 128 + 128 * 128))
_UPSAMPLES = 4 * 4 * 128 * 64 + 8 * 8 * 64 * 32 + 16 * 16 * 32 * 16
_DECODERS = 9 * (8 * 8 * (128 * 64 + 64 * 64) + 16 * 16 * (64 * 32 + 32 * 32) + 32 * 32 * (32 * 16 + 16 * 16))
_HEAD = 32 * 32 * 16 * 29
_TOTAL = _STEM + _ENCODERS + _UPSAMPLES + _DECODERS + _HEAD


def _layers_of(spec: ModelSpec) -> list[tuple[int, int]]:
    """Return the multiply-accumulates of each convolution of the network, and the values that it reads and writes."""
    layers: list[tuple[int, int]] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        places = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        layers.append((places.numel() * weight[0].numel(), inputs[0].numel() + output.numel() + weight.numel()))

    with torch.device("meta"):
        network = build_network(spec).eval()
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                layer.register_forward_hook(note)
        network(torch.zeros(1, 3, spec.height, spec.width))
    return layers


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_each_layer_costs_what_the_network_says(artefacts: "Artefacts", precision: Precision) -> None:
    found = cost_of_onnx(onnx.load(artefacts.onnx[precision]))
    assert [(layer.macs, layer.values) for layer in found.layers] == _layers_of(artefacts.spec)
    assert found.macs == cost_of(artefacts.spec).macs == _TOTAL


def test_transposed_grouped_and_strided_kernels_cost_what_the_network_says_a_batch() -> None:
    options: dict[str, int | str] = {
        "width": 8,
        "depth": 2,
        "block": "separable",
        "upsample": "transpose",
        "stem_stride": 2,
    }
    spec = ModelSpec(32, 64, CITYSCAPES_29.name, CITYSCAPES_29.names, CITYSCAPES_29.colours, "unet", options)
    found = cost_of_onnx(to_onnx(build_network(spec), spec, "fp32", batch=2))
    assert [layer.macs for layer in found.layers] == [2 * macs for macs, _ in _layers_of(spec)]
    assert [layer.operator for layer in found.layers].count("ConvTranspose") == 2


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_parameters_are_the_network_s_with_batch_normalisation_folded(
    artefacts: "Artefacts", precision: Precision
) -> None:
    weights = sum(weight.numel() for weight in artefacts.network.parameters() if weight.ndim == 4)
    kernels = [weight for name, weight in artefacts.network.named_parameters() if name.endswith("weight")]
    biases = sum(weight.shape[0] for weight in kernels if weight.ndim == 4)
    found = cost_of_onnx(onnx.load(artefacts.onnx[precision]))
    assert found.parameters == sum(layer.parameters for layer in found.layers) == weights + biases


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_float_model_computes_in_its_type(artefacts: "Artefacts", precision: Precision) -> None:
    found = cost_of_onnx(onnx.load(artefacts.onnx[precision]))
    assert {layer.precision for layer in found.layers} == {precision}
    assert found.int8_share == 0
    assert found.int8_convolutions == ()
    assert found.lone_pairs == ()


def test_int8_is_everything_but_the_head(artefacts: "Artefacts") -> None:
    found = cost_of_onnx(onnx.load(artefacts.onnx["int8"]))
    assert found.int8_share == (_TOTAL - _HEAD) / _TOTAL
    assert found.int8_share == pytest.approx(0.9866, abs=0.0001)
    assert [layer.precision for layer in found.layers] == ["int8"] * (len(found.layers) - 1) + ["fp32"]
    assert list(found.int8_convolutions) == [layer.name for layer in found.layers[:-1]]
    assert found.lone_pairs == ()


def test_a_layer_with_only_one_side_in_int8_computes_in_float(artefacts: "Artefacts") -> None:
    """An int8 kernel takes both sides in int8; weights alone are only smaller in memory."""
    model = onnx.load(artefacts.onnx["int8"])
    makers = {output: node for node in model.graph.node for output in node.output}
    data_only, weight_only = (node for node in model.graph.node if node.name in ("conv_2", "conv_4"))
    dequantize = makers[data_only.input[1]]
    weight = {tensor.name: tensor for tensor in model.graph.initializer}[dequantize.input[0]]
    floats = numpy_helper.to_array(weight).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(floats, "float_weight"))
    data_only.input[1] = "float_weight"
    weight_only.input[0] = makers[makers[weight_only.input[0]].input[0]].input[0]
    found = {layer.name: layer for layer in cost_of_onnx(model).layers}
    assert found["conv_2"].precision == found["conv_4"].precision == "fp32"
    assert found["conv_3"].precision == "int8"
    assert found["conv_2"].parameters == cost_layer(artefacts, "conv_2")


def cost_layer(artefacts: "Artefacts", name: str) -> int:
    layers = cost_of_onnx(onnx.load(artefacts.onnx["fp32"])).layers
    return next(layer.parameters for layer in layers if layer.name == name)


def test_a_pair_that_reaches_no_int8_convolution_is_named(artefacts: "Artefacts") -> None:
    model = onnx.load(artefacts.onnx["int8"])
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    makers = {output: node for node in model.graph.node for output in node.output}
    scale, zero_point = makers[conv.input[0]].input[1:]
    pool = next(node for node in model.graph.node if node.op_type == "MaxPool")
    nodes = [
        helper.make_node("QuantizeLinear", [pool.input[0], scale, zero_point], ["extra_q"], name="lone_quantize"),
        helper.make_node("DequantizeLinear", ["extra_q", scale, zero_point], ["extra_dq"], name="lone_dequantize"),
    ]
    place = list(model.graph.node).index(pool)
    pool.input[0] = "extra_dq"
    for node in reversed(nodes):
        model.graph.node.insert(place, node)
    assert cost_of_onnx(model).lone_pairs == (("lone_quantize", "lone_dequantize"),)


def test_matmul_is_counted_and_shared_weights_are_counted_once() -> None:
    weight = numpy_helper.from_array(np.ones((4, 4), np.float32), "weight")
    nodes = [helper.make_node("MatMul", ["a", "weight"], ["b"]), helper.make_node("MatMul", ["b", "weight"], ["c"])]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3, 4]) for name in ("a", "c")]
    found = cost_of_onnx(helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:], [weight])))
    assert [layer.macs for layer in found.layers] == [2 * 3 * 4 * 4] * 2
    assert [layer.parameters for layer in found.layers] == [16, 16]
    assert found.parameters == 16


def test_a_layer_whose_shape_is_not_static_is_refused() -> None:
    nodes = [helper.make_node("MatMul", ["a", "a"], ["b"])]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "n"]) for name in ("a", "b")]
    with pytest.raises(ContractError, match="does not say the shape of 'a'"):
        cost_of_onnx(helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:])))


def test_a_layer_of_another_type_is_refused_by_name() -> None:
    nodes = [helper.make_node("MatMul", ["a", "a"], ["b"], name="matmul_7")]
    values = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [4, 4]) for name in ("a", "b")]
    with pytest.raises(ContractError, match="MatMul 'matmul_7' computes in DOUBLE"):
        cost_of_onnx(helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:])))
