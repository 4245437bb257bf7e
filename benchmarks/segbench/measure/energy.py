"""Measures energy per frame, where the machine counts it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segbench.measure.nvml import card_handle
from segbench.results import Energy
from segdata.errors import EdgeSegError

_POWERCAP = Path("/sys/class/powercap")
_MICROJOULES, _MILLIJOULES = 1e6, 1e3


@dataclass(frozen=True)
class Counter:
    """Counts joules: `read` returns how many so far, and starts again from 0 after `wraps_at`, if it ever does."""

    read: Callable[[], float]
    wraps_at: float = float("inf")

    def used_since(self, start: float) -> float:
        """Return the joules since `read` returned `start`; it may have wrapped once."""
        joules = self.read() - start
        return joules if joules >= 0 else joules + self.wraps_at


class EnergyMeter:
    """The counters of a machine: RAPL for the processor's packages, NVML for a card."""

    def __init__(self, name: str, counters: Sequence[Counter]) -> None:
        self.name = name
        self._counters = counters
        self._starts: list[float] = []

    def start(self) -> None:
        """Begin to count."""
        self._starts = [counter.read() for counter in self._counters]

    def used(self) -> float:
        """Return the joules since `start`."""
        return sum(counter.used_since(start) for counter, start in zip(self._counters, self._starts, strict=True))

    def per_frame(self, joules: float, frames: int) -> Energy:
        """Return the energy per frame of `frames`."""
        return Energy(joules / frames, self.name)


def processor_meter(powercap: Path = _POWERCAP) -> EnergyMeter | None:
    """Return the meter of all processor packages, None if there is none, or only root may read it.

    Source: the Linux kernel's documentation, power/powercap/powercap.rst: `energy_uj` counts microjoules up to
    `max_energy_range_uj`.
    """
    counters = []
    for package in sorted(powercap.glob("intel-rapl:*")):
        try:
            if (package / "name").read_text().startswith("package"):
                most = int((package / "max_energy_range_uj").read_text()) / _MICROJOULES
                counters.append(Counter(_microjoules_in(package / "energy_uj"), most))
                counters[-1].read()
        except (OSError, ValueError):
            return None
    return EnergyMeter("RAPL", counters) if counters else None


def card_meter(nvml: Any | None) -> EnergyMeter | None:  # noqa: ANN401 - the module pynvml
    """Return the meter of the first NVIDIA card, None if there is none or the card does not count."""
    if nvml is None:
        return None

    def read() -> float:
        try:
            return nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / _MILLIJOULES  # type: ignore[no-any-return]
        except nvml.NVMLError as error:
            raise EdgeSegError(f"the GPU no longer counts its energy ({error}); see what nvidia-smi says") from None

    try:
        handle = card_handle(nvml)
        read()
    except (nvml.NVMLError, EdgeSegError):
        return None
    return EnergyMeter("NVML", [Counter(read)])


def _microjoules_in(path: Path) -> Callable[[], float]:
    return lambda: int(path.read_text()) / _MICROJOULES
