"""The network: any size its stride and depth divide, any class count, one size in and out."""

from itertools import product
from typing import get_args

import pytest
import torch
import torch.nn.functional as F

from segtrain.network.presets import Block, Upsample
from segtrain.network.unet import BLOCKS, UNet

KINDS = list(product(get_args(Block), get_args(Upsample)))


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("stem_stride", [1, 2])
@pytest.mark.parametrize(("block", "upsample"), KINDS)
def test_logits_have_the_size_of_the_frame_or_of_the_first_level(
    block: str, upsample: str, stem_stride: int, depth: int
) -> None:
    height = stem_stride * 2**depth
    width = 3 * height
    network = UNet(5, 8, depth, 1024, block, upsample, stem_stride).eval()
    frames = torch.zeros(2, 3, height, width)
    assert network(frames).shape == (2, 5, height, width)
    assert network(frames, coarse=True).shape == (2, 5, height // stem_stride, width // stem_stride)


@pytest.mark.parametrize("class_count", [1, 2, 29])
def test_there_is_a_channel_a_class(class_count: int) -> None:
    assert UNet(class_count, 8, 2).eval()(torch.zeros(1, 3, 32, 32)).shape[1] == class_count


@pytest.mark.parametrize("stem_stride", [1, 2])
def test_coarse_logits_are_those_of_the_frame_before_they_are_enlarged(stem_stride: int) -> None:
    torch.manual_seed(0)
    network = UNet(4, 8, 2, stem_stride=stem_stride).eval()
    frames = torch.randn(1, 3, 16, 32)
    coarse = network(frames, coarse=True)
    assert torch.equal(network(frames), F.interpolate(coarse, size=(16, 32), mode="bilinear"))


def test_a_stem_stride_of_two_costs_no_parameter() -> None:
    counts = {sum(weight.numel() for weight in UNet(4, 8, 2, stem_stride=stride).parameters()) for stride in (1, 2)}
    assert len(counts) == 1


@pytest.mark.parametrize(
    ("widest", "channels"), [(1024, [16, 32, 64, 128]), (40, [16, 32, 40, 40]), (8, [8, 8, 8, 8]), (4, [4, 4, 4, 4])]
)
@pytest.mark.parametrize("block", BLOCKS)
def test_channels_double_at_each_level_down_up_to_the_widest(block: str, widest: int, channels: list[int]) -> None:
    network = UNet(3, 8, 4, widest, block).eval()
    seen: list[int] = []
    for encoder in network.encoders:
        encoder.register_forward_hook(lambda layer, inputs, output: seen.append(output.shape[1]))
    network(torch.zeros(1, 3, 32, 32))
    assert seen == channels


@pytest.mark.parametrize("stem_stride", [1, 2])
@pytest.mark.parametrize(("block", "upsample"), KINDS)
def test_every_parameter_gets_a_gradient(block: str, upsample: str, stem_stride: int) -> None:
    torch.manual_seed(0)
    network = UNet(5, 8, 2, 1024, block, upsample, stem_stride)
    network(torch.randn(2, 3, 32, 32)).square().mean().backward()
    idle = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert idle == []


@pytest.mark.parametrize(("block", "upsample"), KINDS)
def test_skip_connections_carry_detail_the_bottom_cannot(block: str, upsample: str) -> None:
    """One pixel's change must reach the logits of that pixel more than those of its far neighbours."""
    torch.manual_seed(0)
    network = UNet(4, 8, 3, 1024, block, upsample).eval()
    frame = torch.zeros(1, 3, 32, 32)
    changed = frame.clone()
    changed[..., 5, 5] = 3
    effect = (network(changed) - network(frame)).abs().sum(dim=1)[0]
    assert effect[5, 5] > 10 * effect[20:, 20:].max()
