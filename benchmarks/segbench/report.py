"""A benchmark as a table and as JSON."""

import json
import math
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.table import Table

from segbench.bench import BenchReport, Row
from segbench.speed import Rate
from segdata.files import replacing


def as_table(report: BenchReport) -> Table:
    """Return one row an artefact: what computes it, its two speeds with their spread, its accuracy in percent."""
    # Seven columns fit the 80 characters of a plain terminal only without a frame.
    table = Table(
        title=f"{report.machine.processor}, {report.machine.cores} cores, no GPU used",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    class_counts = {row.class_count for row in report.rows}
    all_classes = f"mIoU {class_counts.pop()}" if len(class_counts) == 1 else "mIoU all"
    for heading in ("precision", "runs in"):
        table.add_column(heading)
    for heading in ("engine FPS", "end-to-end FPS", "mIoU 19", all_classes, "accuracy"):
        table.add_column(heading, justify="right")
    for row in report.rows:
        table.add_row(row.precision, row.computes, _speed(row.engine), _speed(row.end_to_end), *_percents(row))
    return table


def notes(report: BenchReport) -> str:
    """Return what the figures were measured on, as lines of text."""
    rounds = len(report.rows[0].engine.rounds)
    lines = [f"{row.precision}: {row.artefact} on {row.runner}, sha256 {row.sha256[:12]}" for row in report.rows]
    lines.append(f"Speed: {report.video}; median of {rounds} interleaved rounds, +- half of their spread.")
    lines.append(
        f"Accuracy, in percent: {report.dataset}, at the network's own size."
        if report.dataset
        else "Accuracy: not measured; give --data DATASET, made with seg-data prepare."
    )
    return "\n".join(lines)


def write_json(report: BenchReport, path: Path) -> None:
    """Write everything that was measured; a figure that does not exist is null."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_nan_to_none(asdict(report)), indent=1))


def _speed(rate: Rate) -> str:
    return f"{rate.median:.1f} +-{100 * rate.spread / 2:2.0f}%"


def _percents(row: Row) -> tuple[str, str, str]:
    if row.accuracy is None:
        return "-", "-", "-"
    figures = (row.accuracy.miou_official, row.accuracy.miou, row.accuracy.pixel_accuracy)
    first, second, third = ("-" if math.isnan(figure) else f"{100 * figure:.2f}" for figure in figures)
    return first, second, third


def _nan_to_none(value: object) -> object:
    if isinstance(value, dict):
        return {key: _nan_to_none(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_nan_to_none(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
