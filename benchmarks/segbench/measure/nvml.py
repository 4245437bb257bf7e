"""The state of the card while it is measured: NVML, through nvidia-ml-py."""

import importlib
from typing import Any

from segbench.results import Card

# Reasons to slow down that are no one's wish: nvml.h, nvmlClocksEventReasons.
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
    except Exception:  # the module, the library or the driver is missing: each has an error of its own
        return None
    return nvml


def card_state(nvml: Any | None, index: int = 0) -> Card | None:  # noqa: ANN401
    """Return the state of a card now; a figure that it does not give is None. None if there is no card."""
    if nvml is None:
        return None

    def asked(name: str, *arguments: object) -> Any | None:  # noqa: ANN401
        try:
            return getattr(nvml, name)(*arguments)
        except (nvml.NVMLError, AttributeError):
            return None

    handle = asked("nvmlDeviceGetHandleByIndex", index)
    if handle is None:
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
