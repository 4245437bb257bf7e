"""Energy: joules of the whole package or card, exact to the counter, and None if no counter can be read."""

from pathlib import Path

import pytest

import segbench.measure.energy
from segbench.measure.energy import Counter, EnergyMeter, card_meter, processor_meter
from segbench.results import Energy
from segdata.errors import EdgeSegError


def add_zone(folder: Path, zone: str, name: str, microjoules: int, most: int = 1_000_000_000) -> Path:
    """A zone as the kernel's powercap shows it; returns the file that counts."""
    (folder / zone).mkdir(parents=True)
    (folder / zone / "name").write_text(f"{name}\n")
    (folder / zone / "max_energy_range_uj").write_text(f"{most}\n")
    (folder / zone / "energy_uj").write_text(f"{microjoules}\n")
    return folder / zone / "energy_uj"


def meter_in(folder: Path) -> EnergyMeter:
    meter = processor_meter(folder)
    assert meter is not None
    return meter


def test_joules_are_what_the_counter_counted(tmp_path: Path) -> None:
    counter = add_zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    meter = meter_in(tmp_path)
    meter.start()
    counter.write_text("3500000\n")
    assert meter.used() == 2.5
    meter.start()
    assert meter.used() == 0


def test_a_counter_that_began_anew_is_counted_on(tmp_path: Path) -> None:
    counter = add_zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000, most=10_000_000)
    meter = meter_in(tmp_path)
    meter.start()
    counter.write_text("500000\n")
    assert meter.used() == 1.5


def test_all_packages_count_and_their_parts_do_not_count_twice(tmp_path: Path) -> None:
    packages = [add_zone(tmp_path, f"intel-rapl:{index}", f"package-{index}", 0) for index in range(2)]
    parts = [
        add_zone(tmp_path, "intel-rapl:0:0", "core", 0),
        add_zone(tmp_path, "intel-rapl:0:1", "dram", 0),
        add_zone(tmp_path, "intel-rapl:2", "psys", 0),
        add_zone(tmp_path, "intel-rapl-mmio:0", "package-0", 0),
    ]
    meter = meter_in(tmp_path)
    meter.start()
    for counter, joules in zip([*packages, *parts], (1, 2, 10, 20, 40, 80), strict=True):
        counter.write_text(f"{joules}000000")
    assert meter.used() == 3


def test_a_frame_costs_its_share_and_the_meter_is_named(tmp_path: Path) -> None:
    add_zone(tmp_path, "intel-rapl:0", "package-0", 0)
    assert meter_in(tmp_path).per_frame(6.0, 4) == Energy(1.5, "RAPL")


def test_a_machine_without_counters_has_no_meter(tmp_path: Path) -> None:
    assert processor_meter(tmp_path / "missing") is None
    assert processor_meter(tmp_path) is None
    add_zone(tmp_path, "intel-rapl:0", "psys", 0)
    assert processor_meter(tmp_path) is None


@pytest.mark.parametrize("content", [None, "", "unknown"])
def test_a_counter_that_cannot_be_read_is_no_meter(tmp_path: Path, content: str | None) -> None:
    """Half of the packages would give half of the energy."""
    add_zone(tmp_path, "intel-rapl:0", "package-0", 0)
    counter = add_zone(tmp_path, "intel-rapl:1", "package-1", 0)
    if content is None:
        counter.unlink()
    else:
        counter.write_text(content)
    assert processor_meter(tmp_path) is None


def test_a_counter_only_root_may_read_is_no_meter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on most machines since 2020; root, who may run this, can read any file."""
    add_zone(tmp_path, "intel-rapl:0", "package-0", 0)

    def forbidden(path: Path) -> float:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(segbench.measure.energy, "_microjoules_in", lambda path: lambda: forbidden(path))
    assert processor_meter(tmp_path) is None


def test_a_counter_without_an_end_does_not_restart() -> None:
    readings = iter([5.0])
    assert Counter(lambda: next(readings)).used_since(2.0) == 3.0


class NVMLError(Exception):
    """Stands for pynvml's NVMLError."""


class CountingCard:
    """As much of pynvml as counts energy: each reading is one of `millijoules`, None for an error."""

    NVMLError = NVMLError

    def __init__(self, *millijoules: int | None) -> None:
        self.millijoules = list(millijoules)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        return "handle"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        assert handle == "handle"
        reading = self.millijoules.pop(0)
        if reading is None:
            raise NVMLError("GPU is lost")
        return reading


def test_a_card_counts_millijoules() -> None:
    meter = card_meter(CountingCard(0, 1_000, 5_500))
    assert meter is not None
    meter.start()
    joules = meter.used()
    assert joules == 4.5
    assert meter.per_frame(joules, 9) == Energy(0.5, "NVML")


def test_a_card_that_does_not_count_has_no_meter() -> None:
    assert card_meter(None) is None
    assert card_meter(CountingCard(None)) is None


def test_a_card_that_is_lost_while_it_counts_says_so() -> None:
    """As an EdgeSegError, so the benchmark continues with the other artefacts."""
    meter = card_meter(CountingCard(0, 1_000, None))
    assert meter is not None
    meter.start()
    with pytest.raises(EdgeSegError, match=r"the GPU no longer counts its energy \(GPU is lost\)"):
        meter.used()
