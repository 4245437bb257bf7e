"""The cost of a network before training: the same count as PyTorch's, and as by hand."""

from itertools import product
from typing import get_args

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from segdata.labels import CITYSCAPES_29
from segdata.spec import ModelSpec
from segtrain.network.checkpoint import build_network
from segtrain.network.presets import PRESETS, Architecture, ArchitectureName, Block, Upsample
from segtrain.report.summary import cost_of, describe


def spec_of(architecture: Architecture, height: int, width: int, classes: int = 29) -> ModelSpec:
    return ModelSpec(
        height,
        width,
        CITYSCAPES_29.name,
        CITYSCAPES_29.names[:classes],
        CITYSCAPES_29.colours[:classes],
        "unet",
        architecture.options(),
    )


@pytest.mark.parametrize(
    ("block", "upsample", "stem_stride"), list(product(get_args(Block), get_args(Upsample), (1, 2)))
)
def test_the_counts_are_those_of_the_real_network(block: Block, upsample: Upsample, stem_stride: int) -> None:
    architecture = Architecture(8, 2, 16, block, upsample, 1 if stem_stride == 1 else 2)
    spec = spec_of(architecture, 16, 32)
    network = build_network(spec).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, 16, 32))
    cost = cost_of(spec)
    assert 2 * cost.macs == counter.get_total_flops()
    assert cost.parameters == sum(parameter.numel() for parameter in network.parameters())


def test_a_network_by_hand() -> None:
    """Width 8, one level down, 16x16 pixels, 5 classes: eight convolutions."""
    cost = cost_of(spec_of(Architecture(8, 1, upsample="resize", stem_stride=1), 16, 16, classes=5))
    fine, low = 16 * 16, 8 * 8
    expected = [  # places, channels in and out, size of the kernel
        (fine, 3, 8, 9),
        (fine, 8, 8, 9),
        (low, 8, 16, 9),
        (low, 16, 16, 9),
        (low, 16, 8, 1),  # enlarged afterwards
        (fine, 16, 8, 9),
        (fine, 8, 8, 9),
        (fine, 8, 5, 1),
    ]
    assert cost.macs == sum(places * i * o * kernel for places, i, o, kernel in expected)
    assert cost.activations == sum(places * o for places, _, o, _ in expected)


def test_the_presets_differ_in_parameters() -> None:
    counts = [cost_of(spec_of(PRESETS[name], 64, 64)).parameters for name in get_args(ArchitectureName)]
    assert counts == sorted(set(counts))


@pytest.mark.parametrize("size", [64, 128, 256])
def test_each_preset_is_about_four_times_the_work_of_the_one_before(size: int) -> None:
    nano, small, base = (cost_of(spec_of(PRESETS[name], size, size)).macs for name in ("nano", "small", "base"))
    assert 3.3 < small / nano < 4.7
    assert 3.3 < base / small < 4.7


def test_the_work_grows_with_the_pixels() -> None:
    costs = [cost_of(spec_of(PRESETS["nano"], height, 64)) for height in (64, 128)]
    assert costs[1].macs == 2 * costs[0].macs
    assert costs[1].activations == 2 * costs[0].activations
    assert costs[1].parameters == costs[0].parameters


def test_the_summary_says_what_was_counted() -> None:
    spec = spec_of(PRESETS["small"], 128, 256)
    cost = cost_of(spec)
    network, counts = describe(spec)
    assert "256x128 pixels" in network
    assert "29 classes" in network
    assert all(f"{name} {value}" in network for name, value in spec.options.items())
    assert f"{cost.parameters / 1e6:.2f} M parameters" in counts
    assert f"{cost.macs / 1e9:.2f} GMAC" in counts
