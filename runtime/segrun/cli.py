"""seg-run: video + artefact -> segmented video."""

from pathlib import Path

import click

from segdata.command import Command, progress_bar
from segrun.options import RunOptions


@click.command(cls=Command)
@click.argument("video", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The result; VIDEO.seg.mp4 here if not given.")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    default=RunOptions.model,
    show_default="the shipped model",
    help="The artefact to run, written by seg-export.",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "openvino", "onnxruntime"]),
    default=RunOptions.engine,
    help="What runs it; auto is OpenVINO.",
)
@click.option("--trust", is_flag=True, help="Run a TensorRT engine whose hash is not its manifest's.")
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1),
    default=RunOptions.alpha,
    help="How strongly the classes' colours cover the frame.",
)
def main(**values: object) -> None:
    """Segment VIDEO: each class of the street in its colour over the frame.

    Every frame is kept, with its time and the audio. Needs no GPU.
    """
    from segrun.pipeline import segment_video
    from segrun.runner import open_runner

    options = RunOptions(**values)  # type: ignore[arg-type] # click has checked the types
    runner = open_runner(options.model, options.engine, trust=options.trust)
    with runner, progress_bar("Segmenting", "frames") as bar:
        report = segment_video(options, runner, bar.start, bar.advance)
    click.echo(
        f"{report.frames_read} frames read = {report.frames_shown} shown + {report.frames_dropped} dropped, "
        f"{report.fps:.1f} FPS end to end on {runner.name} ({runner.device}, {runner.computes})"
    )
    if report.corrupt_packets:
        click.echo(f"{report.corrupt_packets} corrupt packets could not be decoded and are missing", err=True)
    if report.audio_left_out:
        lack = f"{report.output.suffix} cannot hold {report.audio_left_out}"
        click.echo(f"audio left out: {lack}; try -o NAME.mkv", err=True)
    click.echo(report.output)
