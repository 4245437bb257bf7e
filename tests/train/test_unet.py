"""The network: any size its depth divides, any class count, one size in and out."""

import pytest
import torch

from segtrain.unet import UNet


@pytest.mark.parametrize(("width", "depth", "size"), [(8, 2, 20), (16, 3, 64), (16, 4, 96)])
@pytest.mark.parametrize("class_count", [2, 29])
def test_logits_have_the_size_of_the_frame_and_a_channel_a_class(
    width: int, depth: int, size: int, class_count: int
) -> None:
    logits = UNet(class_count, width, depth).eval()(torch.zeros(2, 3, size, 2 * size))
    assert logits.shape == (2, class_count, size, 2 * size)


def test_channels_double_at_each_level_down() -> None:
    network = UNet(29, width=16, depth=4)
    assert [encoder[0].out_channels for encoder in network.encoders] == [32, 64, 128, 256]
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_943_053


def test_every_parameter_takes_part() -> None:
    network = UNet(5, width=8, depth=2)
    network(torch.randn(2, 3, 16, 16)).square().mean().backward()
    assert [name for name, weight in network.named_parameters() if not weight.grad.abs().sum() > 0] == []


def test_skip_connections_carry_detail_the_bottom_cannot() -> None:
    """One pixel's change must reach the logits of that pixel more than those of its far neighbours."""
    torch.manual_seed(0)
    network = UNet(4, width=8, depth=3).eval()
    frame = torch.zeros(1, 3, 32, 32)
    changed = frame.clone()
    changed[..., 5, 5] = 3
    effect = (network(changed) - network(frame)).abs().sum(dim=1)[0]
    assert effect[5, 5] > 10 * effect[20:, 20:].max()
