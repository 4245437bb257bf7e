"""The number of cores this process may use, by its CPU affinity and its container's quota."""

import math
import os
from contextlib import suppress
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")

_held = math.inf


def hold_cores(count: int) -> None:
    """Have `usable_cores` say at most `count` in this process from now on: what else runs here has the others."""
    global _held
    _held = count


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """Return the number of cores, 1 or more: `docker run --cpus 1.5` leaves 2, `taskset -c 0` leaves 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, _quota(cgroup), _held)))


def _quota(cgroup: Path) -> float:
    """Return the cores' worth of time that the container may use, infinite where nothing limits it.

    From cpu.max of version 2 of Linux' control groups, or the two files of version 1:
    https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/scheduler/sched-bwc.html
    """
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        with suppress(OSError, ValueError):
            quota, period = " ".join((cgroup / name).read_text() for name in names).split()
            return math.inf if quota in ("max", "-1") else int(quota) / int(period)
    return math.inf
