"""CPU training uses what is measured as faster: the number format, and one thread if several wait for each other."""

import time
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from segtrain.learning.cpu_speed import CpuWay, faster_format, fastest_on_cpu
from segtrain.learning.losses import Objective
from segtrain.network.base import Network
from segtrain.network.unet import UNet
from segtrain.options import PrecisionChoice

Probe = tuple[Objective, Tensor, Tensor]

WAIT = 0.05  # seconds, by far more than a step of a tiny network takes


class Waiting(Network):
    """A network that takes longer in one number format, or with several threads."""

    stem_stride = 1

    def __init__(self, slow: torch.dtype | None = None, *, slow_together: bool = False) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 5, 1)
        self.slow, self.slow_together = slow, slow_together

    def features(self, x: Tensor) -> Tensor:
        format_now = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        if format_now == self.slow or (self.slow_together and torch.get_num_threads() > 1):
            time.sleep(WAIT)
        return x


@pytest.fixture
def probe() -> Probe:
    """An objective of 5 classes, normalised frames and labels."""
    torch.manual_seed(0)
    return Objective((100,) * 5, 0.5, "dice"), torch.randn(2, 3, 32, 32), torch.randint(5, (2, 32, 32))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("slow", "expected"), [(torch.float32, "bf16-mixed"), (torch.bfloat16, "32-true")], ids=["float32", "bfloat16"]
)
def test_auto_is_the_format_that_is_faster_here(probe: Probe, slow: torch.dtype, expected: PrecisionChoice) -> None:
    assert fastest_on_cpu(Waiting(slow), *probe, threads=1) == CpuWay(expected, 1)


@pytest.mark.parametrize(
    ("slow", "expected"),
    [(torch.float32, torch.bfloat16), (torch.bfloat16, torch.float32)],
    ids=["float32", "bfloat16"],
)
def test_a_teacher_computes_in_the_format_that_is_faster_here(slow: torch.dtype, expected: torch.dtype) -> None:
    network = Waiting(slow)
    assert faster_format(network, torch.randn(2, 3, 32, 32)) is expected
    assert network.head.weight.dtype is torch.float32


def test_one_thread_trains_where_several_wait_for_each_other(probe: Probe, two_threads: None) -> None:
    assert fastest_on_cpu(Waiting(slow_together=True), *probe, "32-true") == CpuWay("32-true", 1)


def test_what_was_asked_for_is_not_measured(probe: Probe, two_threads: None) -> None:
    network = Waiting(torch.float32, slow_together=True)
    assert fastest_on_cpu(network, *probe, "32-true", 2) == CpuWay("32-true", 2)


def test_network_and_threads_are_left_as_they_were(probe: Probe, two_threads: None) -> None:
    torch.manual_seed(0)
    network = UNet(5, 8, 2, stem_stride=2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fastest_on_cpu(network, *probe)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())
    assert torch.get_num_threads() == 2
