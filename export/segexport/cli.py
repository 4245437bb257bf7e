"""seg-export: checkpoint -> proved ONNX files and TensorRT engines; seg-export inspect: what a file is."""

import math
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from segdata.command_line.command import Command, dispatch
from segdata.command_line.option import with_options
from segdata.command_line.progress import progress_bar
from segdata.command_line.unused import refuse_unused
from segdata.shipped import model_files
from segdata.spec import Precision
from segexport.options import EngineOptions, ExportOptions
from segexport.wrap.options import WrapOptions

if TYPE_CHECKING:  # importing it takes seconds, which --help does not need
    from segexport.export import ExportReport
    from segexport.wrap.wrap import Wrapped

_PATH = click.Path(path_type=Path)


_EXAMPLES = (
    "seg-export unet-128 --fp16",
    "seg-export runs/unet-128/best.safetensors --calibration dataset --max-drop 0.2",
    "seg-export wrap pidnet.onnx -o pidnet.fp32.onnx --classes cityscapes-19",
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.option("--fp32", is_flag=True, help="Export float32.")
@click.option("--fp16", is_flag=True, help="Export float16.")
@click.option("--int8", is_flag=True, help="Export INT8 with explicit Q/DQ, for TensorRT and CPUs alike.")
@click.option("--all", "all_precisions", is_flag=True, help="Export all three; so does naming none.")
@with_options(ExportOptions)
def export_command(options: ExportOptions, fp32: bool, fp16: bool, int8: bool, all_precisions: bool) -> None:
    """Export CHECKPOINT (the shipped model if not given) to ONNX and TensorRT engines.

    Each file is compared with the float32 model, in ONNX Runtime and in OpenVINO, before it is kept. TensorRT-RTX
    builds engines without a GPU. seg-export inspect FILE says what a file is.
    """
    from segexport.export import export
    from segexport.source import with_named_precision

    asked: dict[Precision, bool] = {
        "fp32": fp32 or all_precisions,
        "fp16": fp16 or all_precisions,
        "int8": int8 or all_precisions,
    }
    precisions = tuple(precision for precision, wanted in asked.items() if wanted)
    options = with_named_precision(replace(options, precisions=precisions))
    refuse_unused(_idle(options))
    with progress_bar("Exporting", "steps") as bar:
        report = export(options, bar)
    _tell(report)


def _idle(options: ExportOptions) -> Iterator[tuple[str, str]]:
    """Yield the options that have nothing to do, with what they need and how to ask for it."""
    if options.precisions and "int8" not in options.precisions:
        for name in ("calibration_frames", "calibration_method", "max_drop", "keep_float"):
            yield name, "INT8; add --int8, or leave it out"
    if options.calibration is None:
        for name in ("calibration_frames", "calibration_method", "seed"):
            yield name, "frames to calibrate on; add --calibration DATASET, or leave it out"
    if options.engine == "none":
        for field in fields(EngineOptions):
            yield field.name, "an engine; leave out --engine none, or this"


def _tell(report: "ExportReport") -> None:
    """Print the summary: a row a precision, what built the engines, what was left in float, and the files."""
    classes = "mIoU" if math.isnan(report.exported[0].agreement.official) else "mIoU 19"
    table = Table(title=f"{report.name} against float32 PyTorch on {report.proof}", box=SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for heading in (
        "equal\npixels",
        classes,
        "change",
        "int8\nlayers",
        "int8\nMACs",
        "ONNX\nMB",
        "engine\nMB",
        "\ns",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report.exported:
        official = not math.isnan(row.agreement.official)
        table.add_row(
            row.precision,
            f"{row.agreement.equal_pixels:.2%}",
            _points(row.agreement.official if official else row.agreement.miou),
            _points(row.agreement.official_change if official else row.agreement.miou_change, "+"),
            row.layers,
            f"{row.int8_share:.0%}",
            _megabytes(row.onnx),
            _megabytes(row.engine) if row.engine else "-",
            f"{row.seconds:.1f}",
        )
    Console().print(table)
    if report.int8 is not None and report.int8.mixture is not None:
        click.echo(f"layers left in float: {', '.join(report.int8.mixture.keep_float) or 'none'}")
    click.echo(report.builder)
    for row in report.exported:
        click.echo(row.onnx)
        if row.engine:
            click.echo(row.engine)


def _points(share: float, sign: str = "") -> str:
    return "-" if math.isnan(share) else f"{100 * share:{sign}.2f}"


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f}"


@click.command(
    cls=Command,
    examples=("seg-export inspect exports/unet-256.int8.onnx", "seg-export inspect net.fp32.onnx --json"),
)
@click.argument("file", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def inspect_command(file: Path, as_json: bool) -> None:
    """Say what FILE is: an .onnx, .engine or .safetensors of edgeseg, or a shipped model such as unet-128.int8.

    Its spec, precision a layer, work, hashes, and whether this machine can run it.
    """
    from segexport.inspect.inspection import inspect_file, render, to_json

    inspection = inspect_file(model_files(file)[0])
    if as_json:
        click.echo(to_json(inspection))
    else:
        Console().print(render(inspection))


_WRAP_EXAMPLES = (
    "seg-export wrap net.onnx --classes cityscapes-19 --normalise imagenet",
    "seg-export wrap net.onnx --classes own.toml --normalise unit --size 640x360",
    "seg-export wrap net.onnx --classes own.toml --normalise unit --check a.jpg",
)


@click.command(cls=Command, examples=_WRAP_EXAMPLES)
@with_options(WrapOptions)
def wrap_command(options: WrapOptions) -> None:
    """Bring NETWORK, an .onnx from elsewhere, under the graph contract, so that all of edgeseg works with it.

    What the network takes and gives is detected: layout, sizes, scores or finished classes. What the file does not
    say must be given: the classes and how pixels are normalised. The result is kept only if it equals the original's.
    """
    from segexport.wrap.wrap import wrap

    made = wrap(options)
    if made.normalisation.warning:
        click.echo(f"Warning: {made.normalisation.warning}", err=True)
    _tell_wrapped(made)
    for path in filter(None, (made.file, made.check)):
        click.echo(path)


def _tell_wrapped(made: "Wrapped") -> None:
    """Print a row for each thing that was found in the network or chosen for it."""
    import numpy as np  # --help does not need it

    foreign, meaning, spec = made.foreign, made.meaning, made.spec
    opset = foreign.model.opset_import[0].version
    was = next(entry.version for entry in foreign.original.opset_import if entry.domain in ("", "ai.onnx"))
    layout = "[1, 3, H, W]" if foreign.channels_first else "[1, H, W, 3]"
    enlarged = "" if meaning.size == foreign.size else f", enlarged from {meaning.size}"
    table = Table(title=f"{foreign.path.name} under the graph contract", box=SIMPLE_HEAD)
    table.add_column("")
    table.add_column("found and chosen", overflow="fold")
    numbers = [
        ", ".join(f"{value:g}" for value in values) for values in (made.normalisation.mean, made.normalisation.std)
    ]
    rows = {
        "made by": spec.producer or "unknown",
        "operators": f"set {was}" + (f", converted to {opset}" if opset != was else ""),
        "input": f"{foreign.input}: {np.dtype(foreign.dtype).name} {layout}, {foreign.size}",
        "pixels": f"(value - {numbers[0]}) / {numbers[1]}",
        "output": f"{meaning.name}: {meaning.kind} ({meaning.note}){enlarged}",
        **({"confidence": "255 times the probability of each label"} if made.has_confidence else {}),
        "classes": f"{spec.label_space}, {spec.class_count}",
        "licence": spec.licence or "unknown; --licence names it",
        "equal pixels": f"{made.equal:.3%} of generated scenes, against the original",
    }
    for name, text in rows.items():
        table.add_row(name, text)
    Console().print(table)


def main() -> None:
    """Run the command that the command line names."""
    dispatch("seg-export", export_command, {"inspect": inspect_command, "wrap": wrap_command})


if __name__ == "__main__":
    main()
