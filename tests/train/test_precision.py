"""Which number format a device trains in: never float16 where it gives NaN."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from segdata.errors import EdgeSegError
from segtrain.learning.losses import Objective
from segtrain.learning.precision import (
    check_half_precision,
    choose_precision,
    half_precision_works,
    precision_of_gpu,
)
from segtrain.network.unet import UNet
from segtrain.options import PrecisionChoice

Refused = Callable[..., AbstractContextManager[None]]
Probe = tuple[Objective, Tensor, Tensor]


@pytest.fixture
def probe() -> Probe:
    """An objective of 5 classes, normalised frames and labels."""
    torch.manual_seed(0)
    return Objective((100,) * 5, 0.5, "dice"), torch.randn(2, 3, 32, 32), torch.randint(5, (2, 32, 32))


@pytest.fixture
def healthy() -> UNet:
    torch.manual_seed(0)
    return UNet(5, 8, 2, stem_stride=1)


@pytest.fixture
def overflowing() -> nn.Sequential:
    """A network whose float32 logits are finite and whose first features are beyond float16's 65504."""
    first, second = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1)
    with torch.no_grad():
        first.weight.fill_(1e6)
        second.weight.copy_(torch.linspace(-1e-6, 1e-6, 20).view(5, 4, 1, 1))
    return nn.Sequential(first, second)


@pytest.mark.parametrize("maker", ["NVIDIA GeForce ", "GeForce "])
@pytest.mark.parametrize(
    "model",
    [
        "GTX 1630",
        "GTX 1650",
        "GTX 1650 Ti",
        "GTX 1650 SUPER",
        "GTX 1650 with Max-Q Design",
        "GTX 1660",
        "GTX 1660 SUPER",
        "GTX 1660 Ti",
        "GTX 1660 Ti with Max-Q Design",
    ],
)
def test_a_gtx_of_the_16_series_never_takes_float16_by_itself(maker: str, model: str) -> None:
    assert precision_of_gpu(maker + model, has_bfloat16=False) == "32-true"


@pytest.mark.parametrize(
    "name", ["Tesla T4", "NVIDIA GeForce RTX 2080", "NVIDIA GeForce RTX 2080 Ti", "Tesla V100-SXM2-16GB"]
)
def test_older_gpus_with_tensor_cores_take_float16(name: str) -> None:
    assert precision_of_gpu(name, has_bfloat16=False) == "16-mixed"


@pytest.mark.parametrize("name", ["NVIDIA GeForce RTX 3060", "NVIDIA H100 80GB HBM3"])
def test_gpus_that_compute_in_bfloat16_take_it(name: str) -> None:
    assert precision_of_gpu(name, has_bfloat16=True) == "bf16-mixed"


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
@pytest.mark.parametrize("asked", [choice for choice in get_args(PrecisionChoice) if choice != "auto"])
def test_what_was_asked_for_is_taken(asked: PrecisionChoice, device: str) -> None:
    assert choose_precision(asked, torch.device(device)) == asked


def test_auto_is_float32_on_a_device_nobody_knows() -> None:
    assert choose_precision("auto", torch.device("meta")) == "32-true"


def test_float16_is_found_to_work_and_the_network_is_left_as_it_was(healthy: UNet, probe: Probe) -> None:
    before = {name: tensor.clone() for name, tensor in healthy.state_dict().items()}
    assert half_precision_works(healthy, *probe)
    assert all(torch.equal(tensor, before[name]) for name, tensor in healthy.state_dict().items())
    assert all(weight.grad is None for weight in healthy.parameters())


def test_float16_is_found_not_to_work_where_it_overflows(overflowing: nn.Sequential, probe: Probe) -> None:
    objective, frames, labels = probe
    assert torch.isfinite(objective(overflowing(frames), labels)[0])
    assert not half_precision_works(overflowing, *probe)


def test_weights_that_become_nan_count_though_the_loss_is_finite(probe: Probe) -> None:
    network = nn.Conv2d(3, 5, 1)
    network.weight.register_hook(lambda gradient: gradient * float("nan"))
    network.register_parameter("unused", nn.Parameter(torch.tensor(float("inf"))))
    assert not half_precision_works(network, *probe)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("asked", ["auto", "16-mixed"])
def test_where_float16_works_training_goes_on_in_it(asked: PrecisionChoice, healthy: UNet, probe: Probe) -> None:
    assert check_half_precision(asked, healthy, *probe)


def test_float16_asked_for_by_name_is_refused_where_it_fails(
    overflowing: nn.Sequential, probe: Probe, refused: Refused
) -> None:
    with refused("use --precision 32-true", EdgeSegError):
        check_half_precision("16-mixed", overflowing, *probe)


def test_auto_warns_and_falls_back_where_float16_fails(overflowing: nn.Sequential, probe: Probe) -> None:
    with pytest.warns(UserWarning, match="float16 gives NaN on this device; training in float32"):
        assert not check_half_precision("auto", overflowing, *probe)
