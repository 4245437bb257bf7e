"""The number of cores this process may use, by its CPU affinity and its control groups' quotas."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")

_held = math.inf


def hold_cores(count: int) -> None:
    """Have `usable_cores` return at most `count` in this process from now on: other work here has the rest."""
    global _held
    _held = count


def usable_cores(cgroup: Path = _CGROUP, own: Path = _OWN) -> int:
    """Return the number of cores, 1 or more: `docker run --cpus 1.5` leaves 2, `taskset -c 0` leaves 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, _quota(cgroup, own), _held)))


def _quota(cgroup: Path, own: Path) -> float:
    """Return the cores' worth of time that this process may use, infinite where nothing limits it.

    From cpu.max of version 2 of Linux' control groups, or the two files of version 1, of the process' group and those
    above it; a container often sees its own group as the root. https://docs.kernel.org/admin-guide/cgroup-v2.html,
    https://docs.kernel.org/scheduler/sched-bwc.html
    """
    quotas = [math.inf]
    for root, names in ((cgroup, ("cpu.max",)), (cgroup / "cpu", ("cpu.cfs_quota_us", "cpu.cfs_period_us"))):
        for folder in {root, *(root.joinpath(*parts[:end]) for parts in _groups(own) for end in range(len(parts) + 1))}:
            with suppress(OSError, ValueError, ZeroDivisionError):
                quota, period = " ".join((folder / name).read_text() for name in names).split()
                quotas.append(math.inf if quota in ("max", "-1") else int(quota) / int(period))
    return min(quotas)


def _groups(own: Path) -> Iterator[tuple[str, ...]]:
    """Yield the names of the groups that limit this process' time, from the root on: lines as `0::/user.slice/a`."""
    with suppress(OSError, ValueError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers or "cpu" in controllers.split(","):
                yield tuple(part for part in path.split("/") if part not in ("", ".."))
