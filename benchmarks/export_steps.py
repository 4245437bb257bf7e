"""Seconds and peak memory of each step of `seg-export --all`.

python benchmarks/export_steps.py CHECKPOINT DATASET FOLDER
"""

import resource
import sys
import time
from pathlib import Path

from segexport.export import export
from segexport.options import ExportOptions


class Steps:
    """A Progress that adds up the seconds of each step, and the peak memory in MB by then."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.peak: dict[str, float] = {}
        self.last = self.begun = time.perf_counter()

    def start(self, total: int | None, done: int = 0) -> None:
        """Steps are told apart by their notes."""

    def advance(self, note: str = "") -> None:
        """Count the time since the last call as the step's that `note` begins with."""
        now = time.perf_counter()
        step = " ".join(note.split()[:2])
        self.seconds[step] = self.seconds.get(step, 0.0) + now - self.last
        self.peak[step] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.last = now


def main() -> None:
    """Export, and print a Markdown table; a step is what the progress bar says beside it."""
    options = ExportOptions(checkpoint=Path(sys.argv[1]), output=Path(sys.argv[3]), calibration=Path(sys.argv[2]))
    steps = Steps()
    report = export(options, steps)
    steps.advance("rest")
    print("| step, with the export before it | seconds | peak memory so far, MB |\n| --- | --- | --- |")
    for step, spent in steps.seconds.items():
        print(f"| {step} | {spent:.1f} | {steps.peak[step]:.0f} |")
    print(f"| all | {time.perf_counter() - steps.begun:.1f} | {max(steps.peak.values()):.0f} |\n\n{report.builder}")
    for row in report.exported:
        engine = f"{row.engine.stat().st_size / 1e6:.1f}" if row.engine else "-"
        equal = f"{100 * row.agreement.equal_pixels:.2f}"
        print(
            f"| {row.precision} | {row.onnx.stat().st_size / 1e6:.1f} | {engine} | {equal} "
            f"| {100 * row.agreement.official:.2f} | {100 * row.agreement.official_change:+.3f} "
            f"| {100 * row.agreement.miou:.2f} | {row.layers} | {100 * row.int8_share:.1f} % |"
        )


if __name__ == "__main__":
    main()
