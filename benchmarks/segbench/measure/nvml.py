"""The state of the card while it is measured: NVML, through nvidia-ml-py."""

import importlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from segbench.results import Card
from segdata.errors import EdgeSegError
from segrun.runners.tensorrt.driver import GpuFacts, first_device

# Unwanted reasons to slow down: nvml.h, nvmlClocksEventReasons.
_THROTTLES = {
    0x0000000000000004: "the power limit",
    0x0000000000000008: "a hardware slowdown",
    0x0000000000000020: "its temperature",
    0x0000000000000040: "its temperature (hardware)",
    0x0000000000000080: "a power brake",
}


def load_nvml() -> Any | None:  # noqa: ANN401 - a module that may be missing
    """Return the module pynvml, ready to use, or None without it or without a driver."""
    try:
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
    except Exception:  # the module, the library or the driver is missing: each raises another error
        return None
    return nvml


def card_handle(nvml: Any, find_gpu: Callable[[], GpuFacts] = first_device) -> Any:  # noqa: ANN401
    """Return NVML's handle of the card that CUDA calls its first; raise nvml.NVMLError if it knows no card.

    The two count cards in different orders, and CUDA_VISIBLE_DEVICES hides cards only from CUDA: the place on the PCI
    bus identifies them. Where CUDA finds none, it is the first that NVML has.
    """
    with suppress(EdgeSegError):
        place = find_gpu().pci_bus_id
        return nvml.nvmlDeviceGetHandleByPciBusId(place)
    return nvml.nvmlDeviceGetHandleByIndex(0)


def card_state(nvml: Any | None) -> Card | None:  # noqa: ANN401
    """Return the state of the first card now; figures that it does not give are None. None if there is no card."""
    if nvml is None:
        return None

    def asked(name: str, *arguments: object) -> Any | None:  # noqa: ANN401
        try:
            return getattr(nvml, name)(*arguments)
        except (nvml.NVMLError, AttributeError):
            return None

    try:
        handle = card_handle(nvml)
    except nvml.NVMLError:
        return None
    reasons = asked("nvmlDeviceGetCurrentClocksThrottleReasons", handle) or 0
    memory = asked("nvmlDeviceGetMemoryInfo", handle)
    return Card(
        name=str(asked("nvmlDeviceGetName", handle) or "not told"),
        driver=str(asked("nvmlSystemGetDriverVersion") or "not told"),
        graphics_mhz=asked("nvmlDeviceGetClockInfo", handle, 0),
        memory_mhz=asked("nvmlDeviceGetClockInfo", handle, 2),
        temperature=asked("nvmlDeviceGetTemperature", handle, 0),
        throttled_by=tuple(reason for bit, reason in _THROTTLES.items() if reasons & bit),
        used_mb=None if memory is None else memory.used / 1e6,
    )
