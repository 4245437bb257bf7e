"""Facts about this machine, without which figures mean little."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from segbench.results import Card, Machine

_LIBRARIES = (
    "edgeseg", "openvino", "onnxruntime", "tensorrt", "tensorrt-rtx", "pycuda", "av", "opencv-python",
    "opencv-python-headless", "numpy",
)  # fmt: skip
_CPU = Path("/sys/devices/system/cpu/cpu0/cpufreq")
_THERMAL = Path("/sys/class/thermal")
_INSTRUCTIONS = {
    "avx2": "AVX2", "avx_vnni": "AVX-VNNI", "avx512f": "AVX-512", "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 BF16", "avx512_fp16": "AVX-512 FP16", "amx_int8": "AMX INT8", "amx_bf16": "AMX BF16",
    "asimddp": "dot products", "asimdhp": "FP16", "i8mm": "I8MM", "bf16": "BF16", "sve": "SVE",
}  # fmt: skip
"""Linux' names in /proc/cpuinfo of the instructions that networks run fast with, of x86 and ARM, and the usual ones."""


def this_machine(card: Card | None = None) -> Machine:
    """Return the facts about the machine this runs on, as it is now."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        libraries={name: found for name in _LIBRARIES if (found := installed_version(name))},
        clock_mhz=_clock_mhz(),
        governor=_text(_CPU / "scaling_governor"),
        temperature=_temperature(),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        card=card,
        instructions=_instructions(),
    )


def _processor() -> str:
    return _of_cpuinfo("model name") or platform.processor() or platform.machine()


def _instructions() -> tuple[str, ...]:
    flags = (_of_cpuinfo("flags") or _of_cpuinfo("Features") or "").split()
    return tuple(name for flag, name in _INSTRUCTIONS.items() if flag in flags)


def _clock_mhz() -> float | None:
    kilohertz = _text(_CPU / "scaling_cur_freq")
    if kilohertz:
        return int(kilohertz) / 1000
    found = _of_cpuinfo("cpu MHz")
    return float(found) if found else None


def _temperature() -> float | None:
    zones = [_text(zone / "temp") for zone in sorted(_THERMAL.glob("thermal_zone*"))]
    degrees = [int(zone) / 1000 for zone in zones if zone]
    return max(degrees, default=None)


def _of_cpuinfo(key: str) -> str | None:
    for line in (_text(Path("/proc/cpuinfo")) or "").splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def installed_version(name: str) -> str | None:
    """Return the version of a package, None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
