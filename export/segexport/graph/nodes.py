"""Adds nodes and constants to an ONNX graph, and takes out what its outputs do not need."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper


class Nodes:
    """Collects nodes and constants, in order, to add to a graph; their names start with `prefix`."""

    def __init__(self, prefix: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []
        self._prefix = prefix
        self._count = 0

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:  # noqa: ANN401 - ONNX's
        """Add a node with one output and return the output's name, `output` if it is given."""
        output = output or self._name()
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=f"node/{output}", **attributes))
        return output

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Add a constant and return its name."""
        name = self._name()
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def append_to(self, graph: onnx.GraphProto) -> None:
        """Append everything to `graph`."""
        graph.node.extend(self.nodes)
        graph.initializer.extend(self.constants)

    def _name(self) -> str:
        self._count += 1
        return f"{self._prefix}_{self._count}"


def prune(graph: onnx.GraphProto) -> None:
    """Remove the nodes, constants and shapes that no output of `graph` depends on."""
    needed = {output.name for output in graph.output}
    for node in reversed(list(graph.node)):
        if needed.intersection(node.output):
            needed.update(node.input)
        else:
            graph.node.remove(node)
    for values in (graph.initializer, graph.value_info):
        kept = [value for value in values if value.name in needed]
        del values[:]
        values.extend(kept)
