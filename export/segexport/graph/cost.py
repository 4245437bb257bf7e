"""The cost of an ONNX model, layer by layer, and the precision of each layer, read from the graph."""

from collections import defaultdict
from dataclasses import dataclass
from math import prod

import onnx
from onnx import TensorProto

from segdata.devices import LayerWork
from segdata.errors import ContractError
from segdata.spec import Precision
from segdata.text import short

_CONVOLUTIONS = ("Conv", "ConvTranspose")
_LAYERS = (*_CONVOLUTIONS, "MatMul")

# What may lie between a weight and the layer that reads it.
_ON_THE_WAY = ("DequantizeLinear", "QuantizeLinear", "Cast")

_PRECISIONS: dict[int, Precision] = {TensorProto.FLOAT: "fp32", TensorProto.FLOAT16: "fp16"}
_EIGHT_BITS = (TensorProto.INT8, TensorProto.UINT8)


@dataclass(frozen=True)
class LayerCost(LayerWork):
    """One Conv, ConvTranspose or MatMul: `macs` and `values` are of one run, the whole batch.

    `parameters` counts its weights and biases. `precision` is int8 when data and weight both come through Q/DQ, else
    the type of its data.
    """

    operator: str
    parameters: int
    precision: Precision


@dataclass(frozen=True)
class GraphCost:
    """The layers of a graph in order, and their totals.

    `parameters` counts weights and biases, each once; `macs` the multiply-accumulates of one run; `int8_share` the
    fraction of them, 0 to 1, in int8. `int8_convolutions` names the Conv and ConvTranspose whose inputs are all int8;
    `lone_pairs` each QuantizeLinear and DequantizeLinear whose value reaches no convolution with int8 weights: work
    that no int8 kernel absorbs.
    """

    layers: tuple[LayerCost, ...]
    parameters: int
    macs: int
    int8_share: float
    int8_convolutions: tuple[str, ...]
    lone_pairs: tuple[tuple[str, str], ...]


def cost_of_onnx(model: onnx.ModelProto) -> GraphCost:
    """Count what `model`, which is under the graph contract, costs.

    Raises ContractError, naming the layer, if an input is missing, its shape is not static or it computes in
    another type than float32, float16 and int8.
    """
    graph = _Graph(model)
    layers = tuple(_cost_of(node, graph) for node in graph.nodes if node.op_type in _LAYERS)
    parameters = {name for node in graph.nodes if node.op_type in _LAYERS for name in graph.parameters(node)}
    macs = sum(layer.macs for layer in layers)
    in_int8 = sum(layer.macs for layer in layers if layer.precision == "int8")
    return GraphCost(
        layers=layers,
        parameters=sum(prod(graph.shape(name)) for name in parameters),
        macs=macs,
        int8_share=in_int8 / macs if macs else 0.0,
        int8_convolutions=tuple(
            layer.name for layer in layers if layer.precision == "int8" and layer.operator in _CONVOLUTIONS
        ),
        lone_pairs=tuple(_lone_pairs(graph)),
    )


class _Graph:
    """A graph's nodes, the producer and the readers of each value, and its inferred types."""

    def __init__(self, model: onnx.ModelProto) -> None:
        try:
            graph = onnx.shape_inference.infer_shapes(model).graph
        except onnx.shape_inference.InferenceError as error:
            raise ContractError(
                f"the ONNX model's shapes contradict each other ({short(str(error))}); export it again"
            ) from None
        self.nodes = graph.node
        self.made_by = {output: node for node in graph.node for output in node.output}
        self.read_by: defaultdict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self.read_by[name].append(node)
        self._constants = {tensor.name for tensor in graph.initializer}
        self._shapes: dict[str, list[int]] = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
        self._types: dict[str, int] = {tensor.name: tensor.data_type for tensor in graph.initializer}
        for value in [*graph.input, *graph.value_info, *graph.output]:
            tensor_type = value.type.tensor_type
            self._types.setdefault(value.name, tensor_type.elem_type)
            self._shapes.setdefault(value.name, [dimension.dim_value for dimension in tensor_type.shape.dim])

    def shape(self, name: str) -> list[int]:
        """Return the shape of a value; raise ContractError if it is not static."""
        shape = self._shapes.get(name, [])
        if not shape or min(shape) < 1:
            raise ContractError(
                f"the ONNX model does not say the shape of {name[:80]!r}; export it again with seg-export"
            )
        return shape

    def precision(self, node: onnx.NodeProto) -> Precision:
        """Return what a layer computes in."""
        if all(self.is_int8(name) for name in node.input[:2]):
            return "int8"
        element = self._types.get(node.input[0], TensorProto.UNDEFINED)
        if element not in _PRECISIONS:
            found = TensorProto.DataType.Name(element)
            raise ContractError(f"{node.op_type} {node.name[:80]!r} computes in {found}, need FLOAT, FLOAT16 or INT8")
        return _PRECISIONS[element]

    def is_int8(self, name: str) -> bool:
        """Return whether a value comes through DequantizeLinear from 8 bits."""
        maker = self.made_by.get(name)
        return (
            maker is not None and maker.op_type == "DequantizeLinear" and self._types.get(maker.input[0]) in _EIGHT_BITS
        )

    def parameters(self, node: onnx.NodeProto) -> list[str]:
        """Return the names of the constants a layer reads beside its data, directly or through other nodes."""
        origins = [self._origin(name) for name in node.input[1:] if name]
        return [name for name in origins if name in self._constants]

    def _origin(self, name: str) -> str:
        while name in self.made_by and self.made_by[name].op_type in _ON_THE_WAY:
            name = self.made_by[name].input[0]
        return name


def _cost_of(node: onnx.NodeProto, graph: _Graph) -> LayerCost:
    data, weight, output = (graph.shape(name) for name in (*node.input[:2], node.output[0]))
    if node.op_type == "MatMul":
        macs = prod(output) * data[-1]
    else:
        # A transposed kernel [in, out, kh, kw] reaches every output from each input, a kernel [out, in/groups, kh, kw]
        # gathers each output.
        macs = prod(data if node.op_type == "ConvTranspose" else output) * prod(weight[1:])
    return LayerCost(
        name=node.name,
        macs=macs,
        values=prod(data) + prod(output) + prod(weight),
        operator=node.op_type,
        parameters=sum(prod(graph.shape(name)) for name in graph.parameters(node)),
        precision=graph.precision(node),
    )


def _lone_pairs(graph: _Graph) -> list[tuple[str, str]]:
    return [
        (quantize.name, dequantize.name)
        for quantize in graph.nodes
        if quantize.op_type == "QuantizeLinear"
        for dequantize in graph.read_by[quantize.output[0]]
        if dequantize.op_type == "DequantizeLinear"
        and not any(
            reader.op_type in _CONVOLUTIONS and graph.is_int8(reader.input[1])
            for reader in graph.read_by[dequantize.output[0]]
        )
    ]
