"""How many cores a process may use, by its affinity and by its container's share."""

import math
import os
from pathlib import Path

import pytest

from segdata import cores
from segdata.cores import hold_cores, usable_cores

MANY = 64
NO_GROUP = Path("/nowhere")


@pytest.fixture(autouse=True)
def on_many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(MANY)), raising=False)
    monkeypatch.setattr(cores, "_held", math.inf)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, MANY),
        ({"cpu.max": "max 100000\n"}, MANY),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "9900000 100000\n"}, MANY),
        ({"cpu.max": "something else\n"}, MANY),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, MANY),
    ],
)
def test_the_share_of_a_container_counts(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    assert usable_cores(write(tmp_path, files), NO_GROUP) == cores


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/user.slice/run.scope\n", {"user.slice/run.scope/cpu.max": "200000 100000\n"}, 2),
        (
            "0::/pod/container\n",
            {"pod/cpu.max": "300000 100000\n", "pod/container/cpu.max": "max 100000\n", "cpu.max": "max 100000\n"},
            3,
        ),
        (
            "4:memory:/a\n1:cpu,cpuacct:/job\n0::/\n",
            {"cpu/job/cpu.cfs_quota_us": "100000\n", "cpu/job/cpu.cfs_period_us": "100000\n"},
            1,
        ),
        ("0::/docker/gone\n", {"cpu.max": "500000 100000\n"}, 5),
        ("0::/../other\n", {"cpu.max": "500000 0\n"}, MANY),
        ("nonsense\n", {"cpu.max": "500000 100000\n"}, 5),
    ],
)
def test_the_share_of_the_process_own_group_counts(tmp_path: Path, own: str, files: dict[str, str], cores: int) -> None:
    write(tmp_path, {"own": own})
    assert usable_cores(write(tmp_path / "cgroup", files), tmp_path / "own") == cores


def test_the_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert usable_cores(write(tmp_path, {"cpu.max": "400000 100000\n"}), NO_GROUP) == 1


def test_what_a_process_is_held_to_counts(tmp_path: Path) -> None:
    hold_cores(3)
    assert usable_cores(write(tmp_path, {}), NO_GROUP) == 3
    hold_cores(2 * MANY)
    assert usable_cores(tmp_path, NO_GROUP) == MANY
