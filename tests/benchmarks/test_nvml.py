"""What the driver reports about a card: every figure it gives, None for the others, never an error."""

import sys
from collections.abc import Collection
from dataclasses import fields
from types import SimpleNamespace

import pytest

from segbench.measure.nvml import card_handle, card_state, load_nvml
from segbench.results import Card
from segdata.errors import MissingDependencyError
from segrun.runners.tensorrt.driver import GpuFacts


class NVMLError(Exception):
    """Stands for pynvml's NVMLError."""


class FakeNvml:
    """The part of pynvml that is used; queries in `lacking` are not supported, those in `absent` do not exist."""

    NVMLError = NVMLError

    def __init__(self, reasons: int = 0, lacking: Collection[str] = (), absent: Collection[str] = ()) -> None:
        self.reasons, self.lacking, self.absent = reasons, lacking, absent

    def __getattr__(self, query: str) -> object:
        answers: dict[str, object] = {
            "nvmlDeviceGetHandleByIndex": "handle",
            "nvmlDeviceGetName": "NVIDIA GeForce GTX 1660 Ti",
            "nvmlSystemGetDriverVersion": "570.86",
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetCurrentClocksThrottleReasons": self.reasons,
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=1_500_000_000),
        }
        if query in self.absent:
            raise AttributeError(query)

        def answer(*arguments: int | str) -> object:
            if query in self.lacking:
                raise NVMLError("Not Supported")
            if query == "nvmlDeviceGetClockInfo":
                return {0: 1770, 2: 6001}[int(arguments[1])]
            return answers[query]

        return answer


def test_every_figure_is_the_drivers() -> None:
    assert card_state(FakeNvml()) == Card(
        name="NVIDIA GeForce GTX 1660 Ti",
        driver="570.86",
        graphics_mhz=1770,
        memory_mhz=6001,
        temperature=61,
        throttled_by=(),
        used_mb=1500.0,
    )


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        (0x01, ()),  # idle
        (0x02, ()),  # the clocks that were asked for
        (0x04, ("the power limit",)),
        (0x28, ("a hardware slowdown", "its temperature")),
        (0x40, ("its temperature (hardware)",)),
        (0x85, ("the power limit", "a power brake")),
    ],
)
def test_what_slows_a_card_down_is_named(reasons: int, said: tuple[str, ...]) -> None:
    card = card_state(FakeNvml(reasons))
    assert card is not None
    assert card.throttled_by == said


@pytest.mark.parametrize("how", ["lacking", "absent"])
def test_a_figure_that_the_driver_does_not_give_is_none(how: str) -> None:
    unanswered = {
        "nvmlDeviceGetName",
        "nvmlSystemGetDriverVersion",
        "nvmlDeviceGetClockInfo",
        "nvmlDeviceGetTemperature",
        "nvmlDeviceGetCurrentClocksThrottleReasons",
        "nvmlDeviceGetMemoryInfo",
    }
    card = card_state(FakeNvml(lacking=unanswered) if how == "lacking" else FakeNvml(absent=unanswered))
    assert card is not None
    told = {field.name: getattr(card, field.name) for field in fields(card)}
    assert told == {
        "name": "not told",
        "driver": "not told",
        "graphics_mhz": None,
        "memory_mhz": None,
        "temperature": None,
        "throttled_by": (),
        "used_mb": None,
    }


def test_one_figure_that_lacks_takes_no_other_with_it() -> None:
    card = card_state(FakeNvml(lacking={"nvmlDeviceGetTemperature"}))
    assert card is not None
    assert (card.temperature, card.graphics_mhz, card.used_mb) == (None, 1770, 1500.0)


class TwoCards:
    """NVML with two cards, in another order than CUDA's."""

    NVMLError = NVMLError

    def nvmlDeviceGetHandleByPciBusId(self, place: str) -> str:  # noqa: N802
        return {"0000:01:00.0": "first", "0000:02:00.0": "second"}[place]

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        return ("first", "second")[index]


def test_the_card_is_the_one_that_cuda_runs_on() -> None:
    assert card_handle(TwoCards(), lambda: GpuFacts("a card", "7.5", "0000:02:00.0")) == "second"


def test_without_cuda_it_is_the_first_that_nvml_knows() -> None:
    def no_driver() -> GpuFacts:
        raise MissingDependencyError("no driver")

    assert card_handle(TwoCards(), no_driver) == "first"


def test_without_a_card_there_is_no_state() -> None:
    assert card_state(None) is None
    assert card_state(FakeNvml(lacking={"nvmlDeviceGetHandleByIndex"})) is None


def test_the_module_is_made_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[bool] = []
    module = SimpleNamespace(nvmlInit=lambda: begun.append(True))
    monkeypatch.setitem(sys.modules, "pynvml", module)
    assert load_nvml() is module
    assert begun == [True]


def test_without_module_or_driver_there_is_nothing_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as if not installed
    assert load_nvml() is None

    def no_driver() -> None:
        raise NVMLError("Driver Not Loaded")

    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(nvmlInit=no_driver))
    assert load_nvml() is None
