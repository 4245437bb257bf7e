"""Measures the memory it takes to run an artefact, in a process that does nothing else."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from segrun.options import RunnerName
from segrun.runners.open import open_runner

_FRAMES = 10
_PATIENCE = 120  # seconds


def peak_memory_mb(artefact: Path, runner: RunnerName) -> float | None:
    """Return the peak resident memory, in MB of 10^6 bytes, of a process that opens `artefact` and runs ten frames.

    Python and the libraries are included. None where the system does not say, or the process fails.
    """
    command = [sys.executable, "-m", "segbench.measure.memory", str(artefact), runner]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PATIENCE)
        return float(done.stdout)
    except (subprocess.SubprocessError, ValueError):
        return None


def _own_peak_mb() -> float:
    """Return the peak so far. Linux's `ru_maxrss` will not do: a new process inherits the peak of the one before it."""
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def _run(artefact: Path, runner: RunnerName) -> None:
    with open_runner(artefact, runner, throughput=True) as opened:
        frames = np.zeros((opened.batch, opened.spec.height, opened.spec.width, 3), np.uint8)
        for _ in opened.stream(frames for _ in range(_FRAMES)):
            pass


if __name__ == "__main__":
    _run(Path(sys.argv[1]), sys.argv[2])  # type: ignore[arg-type] # peak_memory_mb passes a RunnerName
    sys.stdout.write(f"{_own_peak_mb()}\n")
