"""Rewrites float32 matrix products, which TensorRT-RTX does not have on Turing (compute capability 7.5)."""

import copy
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from segexport.graph.nodes import Nodes

_PRODUCTS = ("MatMul", "Gemm")


def without_float32_gemm(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` without MatMul and Gemm in float32; `model` itself if it has none.

    A product with constant weights becomes a 1x1 convolution, which computes the same sums in float32; one of two
    computed values is computed in float16. Shapes must be static, as those of all artefacts are.
    """
    if not any(node.op_type in _PRODUCTS for node in model.graph.node):
        return model
    inferred = onnx.shape_inference.infer_shapes(copy.deepcopy(model))
    return _Rewriting(inferred).model


class _Rewriting:
    """One pass over the nodes of a model with inferred shapes, which it changes in place."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        graph = model.graph
        self._types = {value.name: value.type.tensor_type for value in [*graph.input, *graph.output, *graph.value_info]}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._new = Nodes("without_gemm")
        for node in graph.node:
            if node.op_type in _PRODUCTS and self._is_float32(node):
                self._replace(node)
            else:
                self._new.nodes.append(node)
        del graph.node[:]
        self._new.append_to(graph)

    def _is_float32(self, node: onnx.NodeProto) -> bool:
        found = self._types.get(node.output[0])
        return found is not None and found.elem_type == TensorProto.FLOAT

    def _replace(self, node: onnx.NodeProto) -> None:
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        weights = self._constants.get(node.input[1])
        plain = not attributes.get("transA") and attributes.get("alpha", 1.0) == attributes.get("beta", 1.0) == 1.0
        bias = node.input[2] if len(node.input) > 2 else ""
        if weights is not None and len(weights.dims) == 2 and plain and (not bias or self._is_vector(bias)):
            self._as_convolution(node, weights, bool(attributes.get("transB")), bias)
        else:
            self._in_half(node, attributes)

    def _is_vector(self, name: str) -> bool:
        tensor = self._constants.get(name)
        return tensor is not None and len(tensor.dims) == 1

    def _as_convolution(self, node: onnx.NodeProto, weights: TensorProto, transposed: bool, bias: str) -> None:
        """[..., P, K] x [K, M] is a convolution of K channels at P places."""
        kernel = numpy_helper.to_array(weights)
        kernel = kernel if transposed else kernel.T  # [M, K]
        shape = [dimension.dim_value for dimension in self._types[node.output[0]].shape.dim]
        places = prod(shape[:-1])
        flat = self._new.add("Reshape", node.input[0], self._new.constant([1, places, kernel.shape[1]], np.int64))
        channels = self._new.add("Transpose", flat, perm=[0, 2, 1])
        image = self._new.add("Reshape", channels, self._new.constant([1, kernel.shape[1], places, 1], np.int64))
        inputs = [image, self._new.constant(np.ascontiguousarray(kernel[:, :, None, None]))]
        product = self._new.add("Conv", *inputs, *([bias] if bias else []), kernel_shape=[1, 1])
        rows = self._new.add("Reshape", product, self._new.constant([1, kernel.shape[0], places], np.int64))
        columns = self._new.add("Transpose", rows, perm=[0, 2, 1])
        self._new.add("Reshape", columns, self._new.constant(shape, np.int64), output=node.output[0])

    def _in_half(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
        halves = [self._new.add("Cast", name, to=TensorProto.FLOAT16) for name in node.input if name]
        product = self._new.add(node.op_type, *halves, **attributes)
        self._new.add("Cast", product, to=TensorProto.FLOAT, output=node.output[0])
