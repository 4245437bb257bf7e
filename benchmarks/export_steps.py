"""Seconds and peak memory of each step of `seg-export --all`.

python benchmarks/export_steps.py CHECKPOINT DATASET FOLDER
"""

import resource
import sys
import time
from pathlib import Path

from segexport.export import export
from segexport.options import ExportOptions


def main() -> None:
    """Export, and print a Markdown table; a step is what the progress bar says beside it."""
    options = ExportOptions(Path(sys.argv[1]), output=Path(sys.argv[3]), calibration=Path(sys.argv[2]))
    seconds: dict[str, float] = {}
    peak: dict[str, float] = {}
    last = begun = time.perf_counter()

    def on_step(note: str) -> None:
        nonlocal last
        now = time.perf_counter()
        step = " ".join(note.split()[:2])  # an engine's progress is part of its name
        seconds[step] = seconds.get(step, 0.0) + now - last
        peak[step] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        last = now

    report = export(options, lambda _: None, on_step)
    on_step("rest")
    print("| step, with the export before it | seconds | peak memory so far, MB |\n| --- | --- | --- |")
    for step, spent in seconds.items():
        print(f"| {step} | {spent:.1f} | {peak[step]:.0f} |")
    print(f"| all | {time.perf_counter() - begun:.1f} | {max(peak.values()):.0f} |\n\n{report.builder}")
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
