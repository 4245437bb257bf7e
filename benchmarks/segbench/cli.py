"""seg-bench: artefacts -> one table of speed and accuracy."""

from pathlib import Path

import click
from rich.console import Console

from segbench.options import BenchOptions
from segdata.command import Command, progress_bar


@click.command(cls=Command)
@click.argument("artefacts", type=click.Path(path_type=Path), nargs=-1)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DATASET",
    help="Prepared dataset: mIoU and accuracy are measured on the frames of val that calibrate nothing.",
)
@click.option("--video", type=click.Path(path_type=Path), help="Video to time; a synthetic drive if not given.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "openvino", "onnxruntime"]),
    default=BenchOptions.engine,
    help="What runs the artefacts; auto is OpenVINO.",
)
@click.option("--frames", default=BenchOptions.frames, help="Frames the engine is timed on, in each round.")
@click.option("--rounds", default=BenchOptions.rounds, help="Rounds; the table shows the median and the spread.")
@click.option("--json", type=click.Path(path_type=Path), help="Write all figures there, too.")
def main(artefacts: tuple[Path, ...], **values: object) -> None:
    """Measure ARTEFACTS, .onnx files of seg-export (the shipped model if none is given).

    Engine FPS is the network alone, end-to-end FPS is all that seg-run does: decode, resize, network, overlay, encode.
    """
    from segbench.bench import bench
    from segbench.report import as_table, notes, write_json

    options = BenchOptions(artefacts=artefacts or BenchOptions.artefacts, **values)  # type: ignore[arg-type]
    with progress_bar("Measuring", "steps") as bar:
        report = bench(options, bar.start, bar.advance)
    Console().print(as_table(report))
    click.echo(notes(report))
    if options.json:
        write_json(report, options.json)
