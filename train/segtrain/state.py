"""A training run on disk, whole: weights, averaged weights, optimiser and history in one safetensors file.

No state of a random generator is in it: order and augmentation depend on seed and epoch alone.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from segdata.errors import ContractError, InputError
from segdata.files import replacing
from segtrain.history import EpochFigures

STATE_KEY = "edgeseg.training"


@dataclass(frozen=True)
class Position:
    """Where a run stands: its settings, which a resumed run must share, its length in epochs, and its history."""

    settings: dict[str, object]
    epochs: int
    history: list[EpochFigures]


def save_state(
    path: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, position: Position
) -> None:
    """Write everything that training goes on from, all floats as float32, under its name only when whole."""
    tensors = _named("network", network.state_dict()) | _named("average", average.state_dict())
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= _named(f"optimizer.{index}", state)
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={STATE_KEY: json.dumps(asdict(position))}))


def read_position(path: Path) -> Position:
    """Return where the run in `path` stands; raise InputError if there is none, ContractError if it is not ours."""
    if not path.is_file():
        raise InputError(f"{path}: no such file, so there is no run to resume; leave out --resume")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(STATE_KEY)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file ({error}); leave out --resume and train again") from None
    if text is None:
        raise ContractError(f"{path}: holds no training state; need last.safetensors of a run of seg-train")
    try:
        values = json.loads(text)
        history = [EpochFigures(**row) for row in values["history"]]
        return Position(dict(values["settings"]), int(values["epochs"]), history)
    except (ValueError, TypeError, KeyError, OverflowError):
        raise ContractError(f"{path}: its training state is not one this version wrote; train again") from None


def load_state(path: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put a saved state into the three; raise ContractError if it is of another network."""
    groups: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimizer": {}}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - not a mapping
            group, _, rest = name.partition(".")
            groups.setdefault(group, {})[rest] = file.get_tensor(name)
    states: dict[int, dict[str, Tensor]] = {}
    try:
        network.load_state_dict(groups["network"])
        average.load_state_dict(groups["average"])
        for name, tensor in groups["optimizer"].items():
            index, _, key = name.partition(".")
            states.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict(optimizer.state_dict() | {"state": states})
    except (RuntimeError, ValueError):
        raise ContractError(f"{path}: its tensors are not those of this network; train again") from None


def _named(group: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{group}.{name}": tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
