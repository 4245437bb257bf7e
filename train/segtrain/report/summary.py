"""What a network costs, before it is trained."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segdata.devices import VALUE_BYTES
from segdata.spec import ModelSpec
from segtrain.network.checkpoint import build_network


@dataclass(frozen=True)
class Cost:
    """`parameters` and `macs` (multiply-accumulates a frame) are counts, `activations` how many values the
    convolutions write a frame.
    """

    parameters: int
    macs: int
    activations: int


def cost_of(spec: ModelSpec) -> Cost:
    """Count what the network of `spec` costs at its size; nothing is computed."""
    macs = activations = 0

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs, activations
        weight = layer.weight
        assert isinstance(weight, Tensor)
        # A transposed kernel [in, out, kh, kw] reaches every output from each input, a kernel [out, in/groups, kh, kw]
        # gathers each output.
        places = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        macs += places.numel() * weight[0].numel()
        activations += output.numel()

    with torch.device("meta"):
        network = build_network(spec).eval()
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                layer.register_forward_hook(note)
        network(torch.zeros(1, 3, spec.height, spec.width))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(parameters, macs, activations)


def describe(spec: ModelSpec) -> list[str]:
    """Return the summary that `seg-train` prints, a line each."""
    cost = cost_of(spec)
    options = ", ".join(f"{name} {value}" for name, value in spec.options.items())
    half = VALUE_BYTES["fp16"]
    return [
        f"UNet, {options}: {spec.width}x{spec.height} pixels, {spec.class_count} classes",
        f"{cost.parameters / 1e6:.2f} M parameters ({cost.parameters * half / 1e6:.1f} MB as float16), "
        f"{cost.macs / 1e9:.2f} GMAC and {cost.activations * half / 1e6:.1f} MB of activations a frame as float16",
    ]
