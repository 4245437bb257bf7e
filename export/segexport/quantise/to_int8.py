"""A float32 ONNX model and its calibration ranges -> the same model with explicit INT8 Q/DQ, for TensorRT and CPUs.

Both sides of every convolution but the last are INT8: symmetric activations a tensor, symmetric weights a channel.
Weights are -64 to 64, seven of the eight bits: processors without VNNI add two products of an activation and a weight
in 16 bits, which larger weights overflow, and the result is then cut off in silence.
Q/DQ is on the inputs of convolutions and nowhere else. So a Concat, which feeds one convolution, gets one scale for
all its inputs, ReLU and the convolution before it stay fused, and TensorRT may move a Q up through Concat and MaxPool.
The transposed convolutions and the 1x1 head stay float, and so does every layer that is asked to.
"""

import copy
from collections.abc import Collection

import numpy as np
import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from segdata.errors import ContractError
from segexport.graph.contract import check_contract
from segexport.graph.to_onnx import set_metadata
from segexport.quantise.calibrate import CalibrationRanges

_OPERATOR = "Conv"


def quantisable(model: onnx.ModelProto) -> list[str]:
    """Return the names of the layers that become INT8, in order: every convolution but the head."""
    return [node.name for node in model.graph.node if node.op_type == _OPERATOR][:-1]


def to_int8(
    model: onnx.ModelProto, calibration: CalibrationRanges, keep_float: Collection[str] = ()
) -> onnx.ModelProto:
    """Return `model`, float32 under the graph contract, with Q/DQ by the ranges of `calibration`.

    Layers named in `keep_float` stay as they are. Raises ContractError if a convolution's input has no range, which
    means that the ranges are of another graph.
    """
    contract = check_contract(model)
    ranges = calibration.ranges
    chosen = [name for name in quantisable(model) if name not in keep_float]
    for node in model.graph.node:
        if node.name in chosen and node.input[0] not in ranges:
            raise ContractError(f"the calibration ranges have no {node.input[0]}; use --calibration DATASET")
    quantizer = QDQQuantizer(
        copy.deepcopy(model),
        per_channel=True,
        reduce_range=True,  # of the weights
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QInt8,
        tensors_range=_tensors_data(ranges),
        nodes_to_quantize=chosen,
        nodes_to_exclude=[],
        op_types_to_quantize=[_OPERATOR],
        extra_options={
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            "QuantizeBias": False,
            "OpTypesToExcludeOutputQuantization": [_OPERATOR],
        },
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()  # the quantiser appends its nodes after those that read them
    quantised: onnx.ModelProto = quantizer.model.model
    set_metadata(quantised, contract.spec, "int8", contract.weights, calibration.frames)
    check_contract(quantised)
    return quantised


def _tensors_data(ranges: dict[str, tuple[float, float]]) -> TensorsData:
    as_arrays = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high)) for name, (low, high) in ranges.items()
    }
    return TensorsData(CalibrationMethod.MinMax, as_arrays)
