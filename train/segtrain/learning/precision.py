"""The number format to train in on a device, and a probe of whether float16 works there."""

import copy
import warnings

import torch
from torch import Tensor, nn

from segdata.errors import EdgeSegError
from segtrain.learning.losses import Objective
from segtrain.options import PrecisionChoice

FAULTY_HALF = "GTX 16"
"""Cards whose float16 convolutions give NaN in training (pytorch issue 77955). TU116 and TU117 have other names, too
(MX450, T600): the probe catches those."""

PROBE_STEPS = 3


def choose_precision(asked: PrecisionChoice, device: torch.device) -> PrecisionChoice:
    """Return the requested format, or for `auto` the fastest one that is safe on `device`.

    bfloat16 where a GPU computes in it, float16 on older ones, subject to `half_precision_works`, and float32 on a
    GTX 16xx and everywhere else: what is fast on a CPU, `cpu_speed` measures.
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return precision_of_gpu(
            torch.cuda.get_device_name(device), torch.cuda.is_bf16_supported(including_emulation=False)
        )
    return "32-true"


def precision_of_gpu(name: str, has_bfloat16: bool) -> PrecisionChoice:
    """Return the format for a GPU by its name, as the driver gives it."""
    if has_bfloat16:
        return "bf16-mixed"
    return "32-true" if FAULTY_HALF in name else "16-mixed"


def half_precision_works(network: nn.Module, objective: Objective, frames: Tensor, labels: Tensor) -> bool:
    """Return whether a copy of `network` takes a few float16 steps without a NaN in loss or weights.

    Takes normalised frames float [N, 3, H, W] and labels int64 [N, H, W] on the device to be probed; network and
    objective may be on another, where they stay.
    """
    probed, objective = copy.deepcopy(network).to(frames.device).train(), copy.deepcopy(objective).to(frames.device)
    optimizer = torch.optim.SGD(probed.parameters(), lr=1e-4)
    for _ in range(PROBE_STEPS):
        with torch.autocast(frames.device.type, torch.float16):
            logits = probed(frames)
        loss, _ = objective(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if not torch.isfinite(loss):
            return False
    return all(bool(torch.isfinite(parameter).all()) for parameter in probed.parameters())


def check_half_precision(
    asked: PrecisionChoice, network: nn.Module, objective: Objective, frames: Tensor, labels: Tensor
) -> bool:
    """Return whether to train in float16; if not, `auto` falls back to float32 with a warning.

    Raises EdgeSegError if float16 was requested explicitly and does not work.
    """
    if half_precision_works(network, objective, frames, labels):
        return True
    if asked == "16-mixed":
        raise EdgeSegError("got NaN from float16 on this device, as GTX 16xx cards give it; use --precision 32-true")
    warnings.warn("float16 gives NaN on this device; training in float32", stacklevel=2)
    return False
