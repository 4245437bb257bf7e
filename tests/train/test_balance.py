"""Correcting the class balance: the share is the best one on training frames, and only the head's bias changes."""

import numpy as np
import torch
from lightning_fabric import Fabric

from segdata.dataset.dataset import SplitArrays
from segdata.labels import CITYSCAPES_8
from segdata.spec import ModelSpec
from segtrain.evaluate import evaluate
from segtrain.learning.balance import SHARES, undo_balance
from segtrain.network.base import Network
from segtrain.network.checkpoint import build_network

SPEC = ModelSpec(32, 32, CITYSCAPES_8.name, CITYSCAPES_8.names, CITYSCAPES_8.colours, "unet", {"width": 8, "depth": 1})
FABRIC = Fabric(accelerator="cpu", devices=1)
WEIGHTS = torch.tensor([1.0, 1.3, 1.2, 1.1, 1.3, 1.0, 1.2, 1.3])


def network_that_prefers(bias: torch.Tensor) -> Network:
    torch.manual_seed(0)
    network = build_network(SPEC)
    with torch.no_grad():
        assert network.head.bias is not None
        network.head.weight *= 20  # so that pixels differ by more than the bias
        network.head.weight -= network.head.weight.mean(dim=0)  # and no class wins everywhere
        network.head.bias.copy_(bias)
    return network.eval()


def frames_as(network: Network) -> SplitArrays:
    """Random frames whose ground truth is the output of `network`."""
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    names = tuple("abcdef")
    blank = SplitArrays(images, np.zeros((6, 32, 32), dtype=np.uint8), names, names)
    from segtrain.report.panels import predict

    return SplitArrays(images, predict(network, blank, SPEC, torch.device("cpu")), names, names)


def test_a_bias_that_balance_brought_is_taken_back() -> None:
    """The ground truth is the network's output without the bias that the class weight added: all of it is removed."""
    truth = frames_as(network_that_prefers(torch.zeros(8)))
    pushed = network_that_prefers(WEIGHTS.log())
    before = evaluate(FABRIC, pushed, truth, SPEC).matrix
    assert undo_balance(FABRIC, pushed, truth, SPEC, WEIGHTS) == 1.0
    after = evaluate(FABRIC, pushed, truth, SPEC).matrix
    assert np.trace(before) < np.trace(after) == after.sum()


def test_half_of_it_is_taken_back_where_that_is_best() -> None:
    truth = frames_as(network_that_prefers(0.5 * WEIGHTS.log()))
    assert undo_balance(FABRIC, network_that_prefers(WEIGHTS.log()), truth, SPEC, WEIGHTS) == 0.5


def test_a_network_that_is_right_stays_as_it_is() -> None:
    network = network_that_prefers(torch.zeros(8))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert undo_balance(FABRIC, network, frames_as(network), SPEC, WEIGHTS) == SHARES[0] == 0.0
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_only_the_bias_of_the_head_moves() -> None:
    pushed = network_that_prefers(WEIGHTS.log())
    before = {name: tensor.clone() for name, tensor in pushed.state_dict().items()}
    undo_balance(FABRIC, pushed, frames_as(network_that_prefers(torch.zeros(8))), SPEC, WEIGHTS)
    moved = [name for name, tensor in pushed.state_dict().items() if not torch.equal(tensor, before[name])]
    assert moved == ["head.bias"]
