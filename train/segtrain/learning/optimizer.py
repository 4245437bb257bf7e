"""How the weights move: AdamW, its learning rate at each step, and the average of the weights."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from segtrain.network.base import Network
from segtrain.options import TrainOptions

WARM_UP_SHARE = 0.15  # of all steps
LOWEST_SHARE = 1e-3  # of the peak, where the schedule begins and ends

_Tensors = tuple[Tensor, ...] | list[Tensor]


def learning_rate(position: float, peak: float) -> float:
    """Return the learning rate at a share of the training, 0 to 1: one cycle (Smith 2018, arXiv 1803.09820).

    Linear warm-up over the first `WARM_UP_SHARE`, then half a cosine down. It depends on the position alone, so a
    resumed run continues where it stopped.
    """
    if position < WARM_UP_SHARE:
        share = position / WARM_UP_SHARE
    else:
        share = 0.5 * (1 + math.cos(math.pi * (position - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)))
    return peak * max(share, LOWEST_SHARE)


def averaging(decay: float) -> Callable[[_Tensors, _Tensors, Tensor | int], None]:
    """Return an exponential moving average that forgets its beginning: the decay rises to `decay` as steps are done."""

    @torch.no_grad()
    def average(averaged: _Tensors, current: _Tensors, done: Tensor | int) -> None:
        share = 1 - min(decay, (1 + int(done)) / (10 + int(done)))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, share)
        else:  # how many batches batch normalisation has seen
            torch._foreach_copy_(averaged, current)

    return average


def optimizer_of(network: Network, options: TrainOptions, device: torch.device) -> torch.optim.Optimizer:
    """Return AdamW that decays kernels and leaves biases and batch normalisation alone.

    Each group's `peak` is the highest rate it learns at: lower for what may have started from another net's weights.
    """
    groups = []
    for begun, peak in ((False, options.learning_rate), (True, options.encoder_learning_rate)):
        parameters = [
            parameter
            for name, parameter in network.named_parameters()
            if (name.partition(".")[0] in network.pretrained) == begun
        ]
        kernels = [parameter for parameter in parameters if parameter.ndim > 1]
        vectors = [parameter for parameter in parameters if parameter.ndim <= 1]
        groups += [
            {"params": kernels, "peak": peak, "weight_decay": options.weight_decay},
            {"params": vectors, "peak": peak, "weight_decay": 0.0},
        ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], options.learning_rate, fused=device.type == "cuda"
    )
