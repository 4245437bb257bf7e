"""The context of every figure, in words: the machine, its state, and how it was measured."""

import re

from segbench.figures import number
from segbench.results import BenchReport
from segdata.text import printable

TARGET = "GTX 1660 Ti"
"""The card that edgeseg is made for. Figures of other cards are not taken for its own."""


def measured_on(report: BenchReport) -> str:
    """Return the devices that computed, the usable cores, and whether a GPU was among the devices."""
    processor = report.machine.processor
    devices = dict.fromkeys(result.device for result in report.results)
    names = dict.fromkeys(processor if device == "CPU" else device for device in devices)
    without = "" if any(result.runner.startswith("TensorRT") for result in report.results) else ", no GPU used"
    return printable(f"{' and '.join(names) or processor}, {report.machine.cores} cores{without}")


def title(report: BenchReport) -> str:
    """Return what was measured, in short: the card, or the processor with its usable cores."""
    cards = dict.fromkeys(result.device for result in report.results if result.runner.startswith("TensorRT"))
    return printable(" and ".join(cards) or f"{report.machine.processor}, {report.machine.cores} cores")


def missing_target(report: BenchReport) -> str | None:
    """Return the note in place of the GTX 1660 Ti's figures, None if some were measured on one."""
    if any(TARGET in result.device for result in report.results):
        return None
    return (
        f'{TARGET}: run `seg-bench contribute` on one, and attach the file to an issue, by the form "Figures of a '
        'machine". No figure here was measured on one.'
    )


def file_name(device: str) -> str:
    """Return what files about a device are called: intel-xeon-2-cores of Intel(R) Xeon(R), 2 cores."""
    words = re.findall("[a-z0-9]+", re.sub(r"\((r|tm|c)\)|\b(cpu|processor)\b|@.*", " ", device.lower()))
    return "-".join(words) or "unknown"


def machine_facts(report: BenchReport) -> list[tuple[str, str]]:
    """Return each fact about the machine with its name, and "not told" where it is unknown."""
    machine, card = report.machine, report.machine.card
    facts: list[tuple[str, str | None]] = [
        ("edgeseg", report.edgeseg),
        ("measured", report.created),
        ("processor", machine.processor),
        ("usable cores", str(machine.cores)),
        ("instructions", ", ".join(machine.instructions) or None),
        ("processor clock", _with_unit(machine.clock_mhz, "MHz")),
        ("clock governor", machine.governor),
        ("processor temperature", _with_unit(machine.temperature, "°C")),
        ("load before", None if machine.load is None else f"{machine.load:.2f} processes"),
    ]
    if card:
        facts += [
            ("card", card.name),
            ("driver", card.driver),
            ("card clock", _with_unit(card.graphics_mhz, "MHz")),
            ("card memory clock", _with_unit(card.memory_mhz, "MHz")),
            ("card temperature", _with_unit(card.temperature, "°C")),
            ("card memory in use", _with_unit(card.used_mb, "MB")),
            ("card slowed by", ", ".join(card.throttled_by) or "nothing"),
        ]
    libraries = [(name, found) for name, found in machine.libraries.items() if name != "edgeseg"]
    facts += [("system", machine.system), ("Python", machine.python), *libraries]
    return [(printable(name), "not told" if fact is None else printable(fact)) for name, fact in facts]


def notes(report: BenchReport) -> list[str]:
    """Return how the figures were measured and how to read them, a sentence or two each."""
    found = [f"Video: {report.video}."]
    rounds = sorted({len(result.engine.rounds) for result in report.results})
    if rounds:
        found.append(
            f"FPS: the median of {' or '.join(map(str, rounds))} interleaved rounds, ± half of their spread. Engine is "
            "the network alone with frames in flight; its p50, p90, p99 are of one frame at a time. End-to-end is all "
            "that seg-run does, from file to file; its p99 is from a frame's decoding to its last sink."
        )
    if any(result.accuracy for result in report.results):
        found.append(f"Accuracy: {report.dataset}.")
    else:
        found.append("Accuracy: not measured; give --data DATASET, made with seg-data prepare.")
    changes = [result.accuracy.change for result in report.results if result.accuracy and result.accuracy.change]
    for classes in sorted({change.classes for change in changes}):
        references = dict.fromkeys(change.reference for change in changes if change.classes == classes)
        found.append(
            f"mIoU change: over {classes} classes, in points, against {' or '.join(references)} on the same images; "
            "its interval is the bootstrap's over images."
        )
    if report.quality:
        found.append(
            "Agreement: how many pixels have the reference's class. Flicker: how much of what stood still changed its "
            "class from one frame to the next."
        )
    return [printable(note) for note in found]


def _with_unit(value: float | None, unit: str) -> str | None:
    return None if value is None else f"{number(value)} {unit}"
