"""How a CPU trains a network fastest, measured on steps of that network: no processor's name or flag says it."""

import copy
import math
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter
from typing import NamedTuple

import torch
from torch import Tensor, nn

from segtrain.learning.losses import Objective
from segtrain.network.base import Network
from segtrain.options import PrecisionChoice

PROBE_FRAMES = 4
"""Frames a step of the probe, at most: enough to keep several threads busy, few enough to be over in seconds."""

_TIMED_STEPS = 3
_HALF_GAIN = 1.1  # what bfloat16, which is less exact, must be faster by
_HOPELESS = 2  # a first step of several threads so many times slower than one of a single thread needs no second one


class CpuWay(NamedTuple):
    """How to train on a CPU: in which number format, and by how many threads."""

    precision: PrecisionChoice
    threads: int


def fastest_on_cpu(
    network: Network,
    objective: Objective,
    frames: Tensor,
    labels: Tensor,
    precision: PrecisionChoice = "auto",
    threads: int | None = None,
) -> CpuWay:
    """Return the number format and the count of threads in which a training step takes least time now.

    Takes normalised frames float [N, 3, H, W] and labels int64 [N, H, W]. Where `precision` is auto, float32 and
    bfloat16 are tried; where `threads` are not given, a single one and all that PyTorch takes: threads that wait for
    cores which others keep busy are slower than one. The network stays as it is.
    """
    all_threads = threads or torch.get_num_threads()
    precisions: tuple[PrecisionChoice, ...] = ("32-true", "bf16-mixed") if precision == "auto" else (precision,)
    alone = 1 if threads is None else all_threads
    if len(precisions) == 1 and alone == all_threads:
        return CpuWay(precision, all_threads)
    step = _step_of(network, objective, frames, labels)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(alone)
        seconds = {
            each: _seconds(partial(step, each)) * (_HALF_GAIN if each == "bf16-mixed" else 1) for each in precisions
        }
        best = min(seconds, key=seconds.__getitem__)
        if alone == all_threads:
            return CpuWay(best, alone)
        torch.set_num_threads(all_threads)
        together = _seconds(partial(step, best), limit=_HOPELESS * seconds[best])
        return CpuWay(best, all_threads if together < seconds[best] else alone)
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
def faster_format(network: nn.Module, frames: Tensor) -> torch.dtype:
    """Return float32 or bfloat16, in whichever a network that does not learn takes less time now.

    Takes normalised frames float32 [N, 3, H, W]. The network stays as it is.
    """

    def seconds(dtype: torch.dtype) -> float:
        return _seconds(partial(copy.deepcopy(network).to(dtype), frames.to(dtype), coarse=True))

    return torch.bfloat16 if _HALF_GAIN * seconds(torch.bfloat16) < seconds(torch.float32) else torch.float32


def _step_of(
    network: Network, objective: Objective, frames: Tensor, labels: Tensor
) -> Callable[[PrecisionChoice], None]:
    """Return what does one step, forward and backward, of a copy of the network."""
    probed = copy.deepcopy(network).train()
    probed.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing from torch's own types
    coarse = labels[:, :: network.stem_stride, :: network.stem_stride]

    def step(precision: PrecisionChoice) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            logits = probed(frames, coarse=True)
        objective(logits, coarse)[0].backward()
        probed.zero_grad()

    return step


def _seconds(step: Callable[[], object], limit: float = math.inf) -> float:
    """Return the median time of a few steps after the first; that of the first if it is longer than `limit`."""
    times = []
    for _ in range(1 + _TIMED_STEPS):
        begun = perf_counter()
        step()
        times.append(perf_counter() - begun)
        if times[0] > limit:
            return times[0]
    return median(times[1:])
