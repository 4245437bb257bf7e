"""The graph contract in PyTorch: normalise, network, argmax, with uint8 at both ends."""

import copy
from typing import TYPE_CHECKING

import torch

from segdata.dataset.dataset import Dataset
from segexport.graph.deployable import DeployableGraph

if TYPE_CHECKING:
    from conftest import Artefacts


def frames_of(dataset: Dataset, count: int) -> torch.Tensor:
    return torch.from_numpy(dataset.evaluation().images[:count])


def test_it_is_normalisation_network_and_argmax(artefacts: "Artefacts", dataset: Dataset) -> None:
    frames = frames_of(dataset, 4)
    spec = artefacts.spec
    pixels = frames.permute(0, 3, 1, 2).double()
    normalised = (pixels - torch.tensor(spec.mean).view(1, 3, 1, 1)) / torch.tensor(spec.std).view(1, 3, 1, 1)
    expected = copy.deepcopy(artefacts.network).double()(normalised).argmax(dim=1)
    labels = DeployableGraph(artefacts.network, spec)(frames)
    assert labels.dtype == torch.uint8
    assert labels.shape == (4, 64, 64)
    assert (labels == expected).float().mean() > 0.9999


def test_red_and_blue_are_not_interchangeable(artefacts: "Artefacts", dataset: Dataset) -> None:
    graph = DeployableGraph(artefacts.network, artefacts.spec)
    frames = frames_of(dataset, 8)
    assert (graph(frames) == graph(frames.flip(-1))).float().mean() < 0.98


def test_half_computes_in_float16_and_agrees(artefacts: "Artefacts", dataset: Dataset) -> None:
    half = DeployableGraph(artefacts.network, artefacts.spec, half=True)
    assert {weight.dtype for weight in half.network.parameters()} == {torch.float16}
    assert half.scale.dtype == torch.float32
    frames = frames_of(dataset, 8)
    same = half(frames) == DeployableGraph(artefacts.network, artefacts.spec)(frames)
    assert same.float().mean() > 0.995


def test_batch_normalisation_is_folded_and_the_network_left_alone(artefacts: "Artefacts") -> None:
    before = {name: tensor.clone() for name, tensor in artefacts.network.state_dict().items()}
    graph = DeployableGraph(artefacts.network, artefacts.spec, half=True)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in graph.modules())
    after = artefacts.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
