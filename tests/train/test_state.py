"""A run on disk: resuming continues exactly as without an interruption, and other files are refused."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from segdata.errors import ContractError, InputError
from segtrain.history import EpochFigures
from segtrain.network.unet import UNet
from segtrain.state import STATE_KEY, Position, load_state, read_position, save_state

Refused = Callable[..., AbstractContextManager[None]]

FIGURES = EpochFigures(1, 1.25, 0.125, 0.5, 1.5, 0.1, 0.2, 0.1 + 0.2, 4e-3, 123.456, 0.07)
POSITION = Position({"seed": 3, "arch": "small", "minutes": None, "clip": 0.1}, 7, [FIGURES, replace(FIGURES, epoch=2)])


class Run:
    """The three things that training moves."""

    def __init__(self, seed: int, width: int = 8, block: str = "plain") -> None:
        torch.manual_seed(seed)
        self.network = UNet(4, width, 2, block=block)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing from torch's own types
        self.average = AveragedModel(self.network, use_buffers=True)
        kernels = [weight for weight in self.network.parameters() if weight.ndim > 1]
        vectors = [weight for weight in self.network.parameters() if weight.ndim <= 1]
        groups = [{"params": kernels, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, 1e-2)

    def step(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.optimizer.zero_grad()
        self.network(torch.randn(2, 3, 16, 16, generator=generator)).square().mean().backward()
        self.optimizer.step()
        self.average.update_parameters(self.network)

    def save(self, path: Path, position: Position = POSITION) -> None:
        save_state(path, self.network, self.average, self.optimizer, position)

    def load(self, path: Path) -> None:
        load_state(path, self.network, self.average, self.optimizer)

    def tensors(self) -> dict[str, Tensor]:
        states = self.optimizer.state_dict()["state"]
        moments = {f"optimizer {index} {key}": value for index, each in states.items() for key, value in each.items()}
        return moments | {
            f"{name} {key}": tensor.clone()
            for name, module in (("network", self.network), ("average", self.average))
            for key, tensor in module.state_dict().items()
        }


@pytest.fixture
def run() -> Run:
    run = Run(0)
    for seed in range(3):
        run.step(seed)
    return run


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_everything_comes_back_to_the_bit_and_goes_on_alike(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "run" / "last.safetensors"
    run.save(path)
    resumed = Run(99)
    assert not same(resumed.tensors(), run.tensors())
    resumed.load(path)
    assert same(resumed.tensors(), run.tensors())
    for each in (run, resumed):
        each.step(7)
    assert same(resumed.tensors(), run.tensors())
    assert int(resumed.average.n_averaged) == 4


def test_the_position_comes_back_with_its_history(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    run.save(path)
    assert read_position(path) == POSITION


def test_figures_that_are_no_number_come_back_as_such(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    figures = replace(FIGURES, miou_official=float("nan"))
    run.save(path, replace(POSITION, history=[figures]))
    assert asdict(read_position(path).history[0]) == pytest.approx(asdict(figures), rel=0, nan_ok=True)


def test_a_missing_file_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused("no such file, so there is no run to resume", InputError):
        read_position(tmp_path / "last.safetensors")


def test_a_pickle_is_refused(run: Run, tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "last.safetensors"
    torch.save(run.network.state_dict(), path)
    with refused("not a safetensors file", InputError):
        read_position(path)


@pytest.mark.parametrize("kept", [0, 4, 500, -1])
def test_a_cut_file_is_refused(kept: int, run: Run, tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "last.safetensors"
    run.save(path)
    path.write_bytes(path.read_bytes()[:kept])
    with refused("not a safetensors file", InputError):
        read_position(path)


@pytest.mark.parametrize("metadata", [None, {"other": "{}"}])
def test_a_safetensors_file_of_something_else_is_refused(
    metadata: dict[str, str] | None, tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "last.safetensors"
    save_file({"x": torch.zeros(1)}, path, metadata)
    with refused("holds no training state", ContractError):
        read_position(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "5",
        "[]",
        "{}",
        json.dumps({"settings": {}, "epochs": "many", "history": []}),
        json.dumps({"settings": 5, "epochs": 1, "history": []}),
        json.dumps({"settings": {}, "epochs": 1, "history": [1]}),
        json.dumps({"settings": {}, "epochs": 1, "history": [{"epoch": 1}]}),
        json.dumps({"settings": {}, "epochs": 1, "history": [asdict(FIGURES) | {"weather": 1}]}),
    ],
)
def test_a_state_that_is_not_ours_is_refused(text: str, tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "last.safetensors"
    save_file({"x": torch.zeros(1)}, path, {STATE_KEY: text})
    with refused("not one this version wrote", ContractError):
        read_position(path)


@pytest.mark.parametrize("other", [Run(0, width=16), Run(0, block="separable")], ids=["wider", "separable"])
def test_the_state_of_another_network_is_refused(other: Run, run: Run, tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "last.safetensors"
    run.save(path)
    with refused("not those of this network", ContractError):
        other.load(path)
