"""A training run on disk, whole: weights, averaged weights, optimiser and history in one safetensors file.

No state of a random generator is in it: order and augmentation depend on seed and epoch alone.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from segdata.errors import ContractError, InputError
from segdata.files import replacing
from segdata.text import short
from segtrain.history import EpochFigures
from segtrain.network.checkpoint import signature_of
from segtrain.options import PrecisionChoice

STATE_KEY = "edgeseg.training"

_MOST_STEPS = 1 << 24  # beyond, float32 does not count


@dataclass(frozen=True)
class Position:
    """Where a run stands: its settings, which a resumed run must share, its length in epochs, its history, and which
    share of the schedule is done (None: as many epochs of the length as the history has). `pretrained` is the spec's,
    `precision` the number format it trained in, "" in a run of an earlier version.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # where a state is read

    settings: dict[str, object]
    epochs: int
    history: list[EpochFigures]
    share: float | None = None
    pretrained: str = ""
    precision: PrecisionChoice | Literal[""] = ""

    @property
    def done(self) -> float:
        """The share of the schedule that is done."""
        return len(self.history) / self.epochs if self.share is None else self.share


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
    """Return where the run in `path` stands.

    Raises InputError if there is no run, ContractError if edgeseg did not write it.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, so there is no run to resume; leave out --resume")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(STATE_KEY)
    except (SafetensorError, OSError) as error:
        reason = short(str(error))
        raise InputError(f"{path}: not a safetensors file ({reason}); leave out --resume and train again") from None
    if text is None:
        raise ContractError(f"{path}: holds no training state; need last.safetensors of a run of seg-train")
    try:
        return TypeAdapter(Position).validate_json(text)
    except ValidationError:
        raise ContractError(f"{path}: its training state is not one this version wrote; train again") from None


def load_state(path: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put a saved state into the three; raise ContractError if it is of another network."""
    groups: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimizer": {}}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - not a mapping
            group, _, rest = name.partition(".")
            groups.setdefault(group, {})[rest] = file.get_tensor(name)
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in groups["optimizer"].items():
        index, _, key = name.partition(".")
        states.setdefault(int(index) if index.isdecimal() and len(index) < 9 else -1, {})[key] = tensor
    same = all(
        signature_of(groups[group]) == signature_of(module.state_dict())
        for group, module in (("network", network), ("average", average))
    )
    if not (same and _fits(states, optimizer)):
        raise ContractError(f"{path}: its tensors are not those of this network; train again")
    network.load_state_dict(groups["network"])
    average.load_state_dict(groups["average"])
    optimizer.load_state_dict(optimizer.state_dict() | {"state": states})


def _fits(states: dict[int, dict[str, Tensor]], optimizer: torch.optim.Optimizer) -> bool:
    """Return whether AdamW's two averages of each gradient have the shape of their parameter."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return set(states) <= set(range(len(parameters))) and all(
        state.keys() == {"step", "exp_avg", "exp_avg_sq"}
        and state["step"].numel() == 1
        and 0 <= state["step"].item() <= _MOST_STEPS
        and all(state[name].shape == parameters[index].shape for name in ("exp_avg", "exp_avg_sq"))
        and all(tensor.dtype == torch.float32 for tensor in state.values())
        for index, state in states.items()
    )


def _named(group: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{group}.{name}": tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
