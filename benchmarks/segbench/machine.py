"""The facts about this machine that a figure is worth nothing without."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = ("edgeseg", "openvino", "onnxruntime", "av", "opencv-python", "opencv-python-headless", "numpy")


@dataclass(frozen=True)
class Machine:
    """Processor, usable cores, system, and the versions of the libraries that decide speed."""

    processor: str
    cores: int
    system: str
    python: str
    libraries: dict[str, str]


def this_machine() -> Machine:
    """Return the facts about the machine this runs on."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        libraries={name: found for name in _LIBRARIES if (found := _version(name))},
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
