"""Differences between two benchmarks besides the artefacts."""

from dataclasses import asdict

from segbench.facts import measured_on
from segbench.results import BenchReport

# They change from minute to minute on the same machine.
_MOMENTARY = {
    "clock_mhz", "temperature", "load", "card.graphics_mhz", "card.memory_mhz", "card.temperature", "card.used_mb",
    "card.throttled_by",
}  # fmt: skip


def same_machine(before: BenchReport, after: BenchReport) -> bool:
    """Return whether machine, driver, libraries and edgeseg were the same."""
    return not _changed_facts(before, after) and before.edgeseg == after.edgeseg


def setting_changes(before: BenchReport, after: BenchReport) -> list[str]:
    """Return a sentence for each thing that differs, another machine first; none if artefacts are all that changed."""
    found = []
    here, there = measured_on(before), measured_on(after)
    if here != there or before.machine.processor != after.machine.processor:
        found.append(f"Measured on different machines: {here}; then {there}. Speeds say more of them than of files.")
    found += [f"{name}: {old}; then {new}." for name, (old, new) in _changed_facts(before, after).items()]
    if before.edgeseg != after.edgeseg:
        found.append(f"edgeseg: {before.edgeseg}; then {after.edgeseg}.")
    if before.video != after.video:
        found.append(f"Different videos, so end-to-end is not compared: {before.video}; then {after.video}.")
    if before.dataset != after.dataset:
        old_data, new_data = (report.dataset or "none" for report in (before, after))
        found.append(f"Different datasets, so accuracy is not compared: {old_data}; then {new_data}.")
    return found


def _changed_facts(before: BenchReport, after: BenchReport) -> dict[str, tuple[object, object]]:
    old, new = (_flat(asdict(report.machine)) for report in (before, after))
    names = (name for name in {**old, **new} if name not in _MOMENTARY)
    return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}


def _flat(facts: dict[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, fact in facts.items():
        found.update(_flat(fact, f"{prefix}{name}.") if isinstance(fact, dict) else {f"{prefix}{name}": fact})
    return found
