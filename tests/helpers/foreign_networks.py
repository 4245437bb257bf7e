"""Networks as other tools make them, of a few kilobytes: inputs and outputs are chosen, and NumPy computes the same."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

HEIGHT, WIDTH = 48, 80
MEAN, STD = (100.0, 110.0, 120.0), (50.0, 60.0, 70.0)

_KINDS = {
    "argmax int64": TensorProto.INT64,
    "argmax int32": TensorProto.INT32,
    "argmax uint8": TensorProto.UINT8,
    "bool": TensorProto.BOOL,
}
TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


@dataclass(frozen=True)
class Form:
    """What a network takes and gives.

    `output` is scores, softmax, sigmoid or logit (one channel), or ids in a type; `stride` how many times smaller the
    map is; `rank` 4 keeps an axis of one channel, 3 has none, 2 has no batch either.
    """

    output: str = "scores"
    classes: int = 5
    channels_first: bool = True
    maps_first: bool = True
    dtype: str = "float32"
    stride: int = 1
    opset: int = 13
    open_size: bool = False
    batch_norm: bool = False
    weights_as_inputs: bool = False
    second_output: bool = False
    upsample: str = ""
    rank: int = 4
    extra: dict[str, Any] = field(default_factory=dict)


def write_network(path: Path, form: Form, seed: int = 0) -> None:
    """Write the network of `form`: a 1x1 convolution on every `stride`th pixel, and the operators of its output."""
    channels = 1 if form.output in ("sigmoid", "logit") else form.classes
    weight, bias = _weights(channels, seed)
    constants = {"weight": weight, "bias": bias}
    nodes: list[onnx.NodeProto] = []

    def add(operator: str, inputs: list[str], **attributes: Any) -> str:  # noqa: ANN401 - ONNX's
        name = f"{operator}_{len(nodes)}"
        nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    value = "picture"
    if form.dtype != "float32":
        value = add("Cast", [value], to=TensorProto.FLOAT)
    if not form.channels_first:
        value = add("Transpose", [value], perm=[0, 3, 1, 2])
    value = add("Conv", [value, "weight", "bias"], strides=[form.stride, form.stride])
    if form.batch_norm:
        for name, values in zip(("gamma", "beta", "moving", "spread"), _norm(channels, seed), strict=True):
            constants[name] = values
        value = add("BatchNormalization", [value, "gamma", "beta", "moving", "spread"])
    if form.upsample:
        value = _upsampled(add, value, form, constants)
    value = _ended(add, value, form, constants)
    kind = _KINDS.get(form.output, TensorProto.FLOAT)
    size: list[Any] = ["height", "width"] if form.open_size else [HEIGHT, WIDTH]
    shape = [1, 3, *size] if form.channels_first else [1, *size, 3]
    inputs = [helper.make_tensor_value_info("picture", TYPES[form.dtype], shape)]
    if form.weights_as_inputs:
        inputs += [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, each.shape) for name, each in constants.items()
        ]
    outputs = [helper.make_tensor_value_info(value, kind, None)]
    if form.second_output:
        nodes.append(helper.make_node("Neg", ["Conv_0" if form.channels_first else "Conv_1"], ["second"]))
        outputs.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, None))
    initializers = [numpy_helper.from_array(each, name) for name, each in constants.items()]
    graph = helper.make_graph(nodes, "network", inputs, outputs, initializers)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", form.opset)], ir_version=8, producer_name="others"
    )
    onnx.save(model, path)


def says(form: Form, frame: npt.NDArray[np.uint8], *, bgr: bool = False, corners: bool = False, seed: int = 0) -> Any:  # noqa: ANN401
    """Return the class that the network of `form` gives each pixel of `frame`, RGB uint8 [H, W, 3]."""
    tensor = _output(form, frame, bgr, seed)
    if form.output.startswith("argmax") or form.output == "bool":
        ids = tensor.argmax(1)[0] if form.output != "bool" else (tensor[0, 1] > tensor[0, 0]).long()
        rows = ((torch.arange(HEIGHT) + 0.5) * ids.shape[0] / HEIGHT).floor().long()
        columns = ((torch.arange(WIDTH) + 0.5) * ids.shape[1] / WIDTH).floor().long()
        return ids[rows][:, columns].numpy()
    tensor = _enlarged(tensor, corners)
    if tensor.shape[1] == 1:
        return (tensor[0, 0] > (0.5 if form.output == "sigmoid" else 0)).numpy().astype(np.int64)
    return tensor.argmax(1)[0].numpy()


def probability(form: Form, frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return how probable that class is, 0 to 1, float64 [H, W]."""
    tensor = _enlarged(_output(form, frame, bgr=False, seed=0), corners=False)
    if form.output == "scores":
        tensor = tensor.softmax(1)
    elif form.output == "logit":
        tensor = tensor.sigmoid()
    return np.asarray((tensor.amax(1) if tensor.shape[1] > 1 else torch.maximum(tensor, 1 - tensor)[:, 0])[0].numpy())


def _output(form: Form, frame: npt.NDArray[np.uint8], bgr: bool, seed: int) -> torch.Tensor:
    """Return the network's output before it becomes class ids: float64 [1, C, h, w]."""
    picture = (frame[..., ::-1] if bgr else frame).astype(np.float64)
    if form.dtype != "uint8":
        picture = (picture - MEAN) / STD
    if form.dtype == "float16":
        picture = picture.astype(np.float16).astype(np.float64)
    channels = 1 if form.output in ("sigmoid", "logit") else form.classes
    weight, bias = _weights(channels, seed)
    maps = np.einsum("hwc,kc->khw", picture, weight[:, :, 0, 0]) + bias[:, None, None]
    maps = maps[:, :: form.stride, :: form.stride]
    if form.batch_norm:
        gamma, beta, moving, spread = (each[:, None, None] for each in _norm(channels, seed))
        maps = (maps - moving) / np.sqrt(spread + 1e-5) * gamma + beta
    tensor = torch.from_numpy(maps)[None]
    if form.upsample:
        tensor = tensor.repeat_interleave(2, 2).repeat_interleave(2, 3)
    if form.output == "softmax":
        return tensor.softmax(1)
    return tensor.sigmoid() if form.output == "sigmoid" else tensor


def _enlarged(tensor: torch.Tensor, corners: bool) -> torch.Tensor:
    if tensor.shape[2:] == (HEIGHT, WIDTH):
        return tensor
    return F.interpolate(tensor, size=(HEIGHT, WIDTH), mode="bilinear", align_corners=corners)


def _weights(channels: int, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    weight = random.normal(0, 1, (channels, 3, 1, 1)).astype(np.float32)
    return weight, random.normal(0, 0.1, channels).astype(np.float32)


def _norm(channels: int, seed: int) -> list[npt.NDArray[np.float32]]:
    random = np.random.default_rng(seed + 1)
    return [random.uniform(0.5, 1.5, channels).astype(np.float32) for _ in range(4)]


def _upsampled(add: Any, value: str, form: Form, constants: dict[str, Any]) -> str:  # noqa: ANN401
    """Enlarge by 2, sampling from the corner by nearest neighbour, which only the oldest opsets do."""
    constants["scales"] = np.array([1, 1, 2, 2], dtype=np.float32)
    if form.upsample == "Upsample":
        return str(add("Upsample", [value, "scales"], mode="nearest"))
    if form.opset < 11:
        return str(add("Resize", [value, "scales"], mode="nearest"))
    constants["roi"] = np.zeros(0, dtype=np.float32)
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return str(add("Resize", [value, "roi", "scales"], **how))


def _ended(add: Any, value: str, form: Form, constants: dict[str, Any]) -> str:  # noqa: ANN401
    kinds = {"int64": 0, "int32": TensorProto.INT32, "uint8": TensorProto.UINT8, "float": TensorProto.FLOAT}
    if form.output.startswith("argmax"):
        value = add("ArgMax", [value], axis=1, keepdims=int(form.rank == 4))
        kind = kinds[form.output.removeprefix("argmax ")]
        value = add("Cast", [value], to=kind) if kind else value
    elif form.output == "bool":
        constants["pick"] = np.array([0], dtype=np.int64)
        constants["other"] = np.array([1], dtype=np.int64)
        first, second = (add("Gather", [value, name], axis=1) for name in ("pick", "other"))
        value = add("Greater", [second, first])
    elif form.output == "softmax":
        value = add("Softmax", [value], axis=1)
    elif form.output == "sigmoid":
        value = add("Sigmoid", [value])
    if form.rank < 4 and not form.output.startswith("argmax"):
        constants["first"] = np.array([1], dtype=np.int64)
        value = add("Squeeze", [value, "first"])
    if form.rank == 2:
        constants["batch"] = np.array([0], dtype=np.int64)
        value = add("Squeeze", [value, "batch"])
    if not form.maps_first:
        value = add("Transpose", [value], perm=[0, 2, 3, 1])
    return str(value)
