"""Finds an NVIDIA card without CUDA: by NVML, by nvidia-smi, or by what the driver tells under /proc."""

import re
import subprocess
from contextlib import suppress
from pathlib import Path

from segbench.measure.nvml import card_state, load_nvml
from segdata.text import short

PROC = Path("/proc/driver/nvidia")
_PATIENCE = 10  # seconds that nvidia-smi has


def seen_card(proc: Path = PROC) -> str | None:
    """Return the first card with its driver, in words, None if nothing knows of one."""
    card = card_state(load_nvml())
    if card is not None:
        return f"{short(card.name)} with driver {short(card.driver)}"
    return _by_nvidia_smi() or _by_proc(proc)


def _by_nvidia_smi() -> str | None:
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(query, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        name, _, driver = (done.stdout.splitlines() or [""])[0].partition(",")
        if done.returncode == 0 and driver.strip():
            return f"{short(name)} with driver {short(driver)}"
    return None


def _by_proc(proc: Path) -> str | None:
    with suppress(OSError):
        texts = [path.read_text(errors="replace") for path in sorted(proc.glob("gpus/*/information"))]
        model = next((found[1] for text in texts if (found := re.search(r"^Model:\s*(.+)$", text, re.MULTILINE))), None)
        if model is not None:
            version = re.search(r"Module\D*([0-9][0-9.]+)", (proc / "version").read_text(errors="replace"))
            return f"{short(model)} with driver {version[1] if version else 'of unknown version'}"
    return None
