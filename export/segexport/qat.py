"""Training on with INT8 in place (Jacob et al. 2018, arXiv 1712.05877): weights learn to live with their rounding."""

import copy
from collections.abc import Callable

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segdata.dataset import Dataset
from segdata.spec import ModelSpec
from segexport.calibrate import CalibrationRanges
from segexport.graph import fold_batch_norm
from segtrain.augment import Augment
from segtrain.batches import batches, load, normalise
from segtrain.network import Network

LEARNING_RATE = 1e-4  # of AdamW: the weights only have to move by a rounding step
BATCH = 8
_LARGEST = 127  # of int8, symmetric


class FakeQuantized(nn.Module):
    """A convolution whose input and weights are rounded as INT8 rounds them, and whose gradient ignores that."""

    def __init__(self, convolution: nn.Conv2d, input_scale: float) -> None:
        super().__init__()
        self.convolution = convolution
        self.input_scale = input_scale

    def forward(self, x: Tensor) -> Tensor:
        """Return features as the INT8 convolution would."""
        x = torch.fake_quantize_per_tensor_affine(x, self.input_scale, 0, -_LARGEST - 1, _LARGEST)
        weight = self.convolution.weight
        scales = weight.detach().abs().amax(dim=(1, 2, 3)).clamp(min=1e-12) / _LARGEST
        zeros = torch.zeros_like(scales, dtype=torch.int32)
        weight = torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -_LARGEST - 1, _LARGEST)
        features: Tensor = self.convolution._conv_forward(x, weight, self.convolution.bias)
        return features


def train_on(
    network: Network,
    spec: ModelSpec,
    graph: onnx.GraphProto,
    ranges: CalibrationRanges,
    dataset: Dataset,
    epochs: int,
    seed: int,
    on_start: Callable[[int], None],
    on_step: Callable[[], None],
) -> Network:
    """Return a copy of `network`, batch normalisation folded, trained on for `epochs` with every convolution but the
    head in INT8; the ranges stay as they are. `graph` is the float32 ONNX graph of `network`, which the ranges are of.

    It learns to give what `network` gives in float (Hinton et al. 2015, arXiv 1503.02531), not the labels: the one is
    to stand for the other.
    """
    torch.manual_seed(seed)
    network.eval()
    tuned = copy.deepcopy(network)
    fold_batch_norm(tuned)
    replaced = _insert(tuned, spec, _input_scales(graph, ranges))
    optimizer = torch.optim.AdamW(tuned.parameters(), LEARNING_RATE, weight_decay=0)
    augment = Augment("plain")
    split = dataset.split("train")
    batch = min(BATCH, len(split))
    on_start(epochs * (len(split) // batch))
    for epoch in range(epochs):
        for indices in batches(len(split), batch, seed, epoch):
            frames, labels = load(split, indices, torch.device("cpu"))
            frames, _ = augment(frames / 255, labels)
            inputs = normalise(frames * 255, spec)
            with torch.no_grad():
                wanted = network(inputs).softmax(dim=1)
            found = tuned(inputs).log_softmax(dim=1)
            loss = F.kl_div(found, wanted, reduction="none").sum(dim=1).mean()  # nats a pixel
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # torch's own
            optimizer.step()
            on_step()
    for parent, name, wrapped in replaced:
        setattr(parent, name, wrapped.convolution)
    return tuned


def _insert(network: Network, spec: ModelSpec, input_scales: list[float]) -> list[tuple[nn.Module, str, FakeQuantized]]:
    """Wrap every convolution but the head by its input's scale; the scales are in the order they run in."""
    order: list[nn.Conv2d] = []
    hooks = [
        layer.register_forward_hook(lambda layer, _inputs, _output: order.append(layer))
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    with torch.no_grad():
        network(torch.zeros(1, 3, spec.height, spec.width))
    for hook in hooks:
        hook.remove()
    scales = dict(zip(map(id, order), input_scales, strict=False))
    replaced = []
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and child is not network.head:
                wrapped = FakeQuantized(child, scales[id(child)])
                setattr(parent, name, wrapped)
                replaced.append((parent, name, wrapped))
    return replaced


def _input_scales(graph: onnx.GraphProto, ranges: CalibrationRanges) -> list[float]:
    """Return the scale of the input of each convolution but the head, in the order they run in."""
    inputs = [node.input[0] for node in graph.node if node.op_type == "Conv"]
    largest = [max(abs(bound) for bound in ranges.ranges[name]) for name in inputs[:-1]]
    return [max(bound, 1e-6) / _LARGEST for bound in largest]
