"""The machine's facts; None where the system does not provide one."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import pytest

import segbench.measure.machine
from segbench.measure.machine import this_machine
from segbench.results import Card

CARD = Card("NVIDIA GeForce GTX 1660 Ti", "570.86", 1770, 6001, 61, (), 300.0)


def test_a_machine_says_what_it_is() -> None:
    machine = this_machine(CARD)
    assert machine.processor
    assert machine.cores == len(os.sched_getaffinity(0))
    assert machine.system == f"{platform.system()} {platform.release()}"
    assert machine.python == platform.python_version()
    assert {"edgeseg", "openvino", "av", "numpy"} <= set(machine.libraries)
    assert machine.libraries["numpy"] == version("numpy")
    assert machine.load is not None
    assert machine.load >= 0
    assert machine.card is CARD


def test_cores_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7})
    assert this_machine().cores == 3


def test_clock_governor_temperature_and_load_are_the_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scaling_governor").write_text("powersave\n")
    (tmp_path / "scaling_cur_freq").write_text("2699998\n")
    for zone, degrees in enumerate((41000, 58500, 27800)):
        (tmp_path / f"thermal_zone{zone}").mkdir()
        (tmp_path / f"thermal_zone{zone}" / "temp").write_text(f"{degrees}\n")
    (tmp_path / "thermal_zone3").mkdir()  # one that does not tell
    monkeypatch.setattr(segbench.measure.machine, "_CPU", tmp_path)
    monkeypatch.setattr(segbench.measure.machine, "_THERMAL", tmp_path)
    monkeypatch.setattr(os, "getloadavg", lambda: (1.25, 0.5, 0.1))
    machine = this_machine()
    assert (machine.governor, machine.clock_mhz, machine.temperature) == ("powersave", 2699.998, 58.5)
    assert (machine.load, machine.card) == (1.25, None)


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ("fpu avx2 avx512f avx512_vnni", ("AVX2", "AVX-512", "AVX-512 VNNI")),
        ("fp asimddp i8mm", ("dot products", "I8MM")),
    ],
)
def test_processors_of_one_name_differ_by_their_instructions(
    monkeypatch: pytest.MonkeyPatch, flags: str, names: tuple[str, ...]
) -> None:
    key = "flags" if "fpu" in flags else "Features"  # as Linux has it for x86, and for ARM
    monkeypatch.setattr(segbench.measure.machine, "_of_cpuinfo", {key: flags}.get)
    assert this_machine().instructions == names


def test_a_machine_that_does_not_tell_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segbench.measure.machine, "_CPU", tmp_path)
    monkeypatch.setattr(segbench.measure.machine, "_THERMAL", tmp_path)
    monkeypatch.setattr(segbench.measure.machine, "_of_cpuinfo", lambda key: None)
    monkeypatch.delattr(os, "getloadavg")
    monkeypatch.delattr(os, "sched_getaffinity")
    machine = this_machine()
    assert (machine.clock_mhz, machine.governor, machine.temperature, machine.load) == (None, None, None, None)
    assert machine.instructions == ()
    assert machine.processor
    assert machine.cores == os.cpu_count()
