"""Finds the GPU, and where CUDA cannot use it, the card that NVML, nvidia-smi or the driver's files report."""

import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from segbench.measure.nvml import card_state, load_nvml
from segdata.devices import has_tensor_cores
from segdata.errors import MissingDependencyError
from segdata.text import short
from segrun.runners.tensorrt.driver import driver_title, first_device, load_driver

_PROC = Path("/proc/driver/nvidia")
_PATIENCE = 10  # seconds that nvidia-smi has


@dataclass(frozen=True)
class Gpu:
    """The first GPU: its name and driver, in the driver's words, and its compute capability ("7.5")."""

    name: str
    compute_capability: str
    driver: str

    @property
    def tensor_cores(self) -> bool:
        """Whether it has tensor cores, by what is known of its name."""
        return has_tensor_cores(self.name, self.compute_capability)


@dataclass(frozen=True)
class SeenCard:
    """A card that CUDA cannot use here: its name and the version of its driver ("580.65.06")."""

    name: str
    driver: str

    def __str__(self) -> str:
        return f"{self.name} with driver {self.driver}"


def find_gpu() -> Gpu:
    """Return the first GPU; raise MissingDependencyError, saying why and how to fix it, if none can be used."""
    try:
        gpu = first_device()
    except MissingDependencyError as error:
        if seen := seen_card():
            raise MissingDependencyError(f"{seen} is here, but cannot be used: {error}") from None
        raise
    driver = load_driver()
    version = driver.get_driver_version()  # 12040 is CUDA 12.4
    card = card_state(load_nvml())
    of_driver = f"{card.driver}, " if card else ""
    through = f"CUDA {version // 1000}.{version % 1000 // 10} through {driver_title(driver)}"
    return Gpu(gpu.name, gpu.compute_capability, of_driver + through)


def seen_card(proc: Path = _PROC) -> SeenCard | None:
    """Return the first card that is there, None if nothing knows of one."""
    card = card_state(load_nvml())
    names = (card.name, card.driver) if card else _by_nvidia_smi() or _by_proc(proc)
    return SeenCard(short(names[0]), short(names[1])) if names else None


def _by_nvidia_smi() -> tuple[str, str] | None:
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(query, capture_output=True, text=True, timeout=_PATIENCE, check=True)
        name, comma, driver = done.stdout.partition("\n")[0].partition(",")
        return (name, driver.strip()) if comma else None
    return None


def _by_proc(proc: Path) -> tuple[str, str] | None:
    with suppress(OSError):
        cards = "".join(path.read_text(errors="replace") for path in sorted(proc.glob("gpus/*/information")))
        if model := re.search(r"^Model:\s*(.+)$", cards, re.MULTILINE):
            version = re.search(r"Module\D*([0-9][0-9.]+)", (proc / "version").read_text(errors="replace"))
            return model[1], version[1] if version else "of unknown version"
    return None
