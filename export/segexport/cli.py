"""seg-export: checkpoint -> proved ONNX files and TensorRT engines."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from segdata.command import Command, progress_bar
from segexport.options import ExportOptions


@click.command(cls=Command)
@click.argument("checkpoint", type=click.Path(path_type=Path), required=False)
@click.option("--fp32", is_flag=True, help="Export float32.")
@click.option("--fp16", is_flag=True, help="Export float16.")
@click.option("--int8", is_flag=True, help="Export INT8 with explicit Q/DQ, for TensorRT and CPUs alike.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=ExportOptions.output, help="Folder to write to."
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    metavar="DATASET",
    help="Prepared dataset: a fifth of val calibrates INT8, the rest proves the exports. The shipped model needs none.",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "tensorrt", "rtx", "none"]),
    default=ExportOptions.engine,
    help="What builds engines; auto is whichever TensorRT is installed.",
)
@click.option(
    "--cc",
    "compute_capability",
    default=ExportOptions.compute_capability,
    help="Compute capability the engines are for; 7.5 is the GTX 1660 Ti.",
)
def main(checkpoint: Path | None, fp32: bool, fp16: bool, int8: bool, **values: object) -> None:
    """Export CHECKPOINT (the shipped model if not given) to ONNX and TensorRT engines.

    Without --fp32, --fp16 or --int8 it exports all three. Each file is compared with the float32 model before it is
    kept. TensorRT-RTX builds engines without a GPU.
    """
    from segexport.export import export

    asked = {"fp32": fp32, "fp16": fp16, "int8": int8}
    options = ExportOptions(
        checkpoint=checkpoint or ExportOptions.checkpoint,
        precisions=tuple(precision for precision, wanted in asked.items() if wanted),  # type: ignore[misc]
        **values,  # type: ignore[arg-type] # click has checked the types
    )
    with progress_bar("Exporting", "frames checked") as bar:
        report = export(options, bar.start, bar.advance)
    table = Table(title=f"{options.checkpoint.stem}, compared with float32 PyTorch on {report.proof}")
    table.add_column("precision")
    for heading in ("equal pixels", "mIoU", "change", "ONNX MB", "engine MB", "seconds"):
        table.add_column(heading, justify="right")
    for row in report.exported:
        table.add_row(
            row.precision,
            f"{row.agreement.equal_pixels:.2%}",
            f"{100 * row.agreement.miou:.2f}",
            f"{100 * row.agreement.miou_change:+.2f}",
            _megabytes(row.onnx),
            _megabytes(row.engine) if row.engine else "-",
            f"{row.seconds:.1f}",
        )
    Console().print(table)
    click.echo(report.builder)
    for row in report.exported:
        click.echo(row.onnx)
        if row.engine:
            click.echo(row.engine)


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f}"
