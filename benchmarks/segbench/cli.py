"""seg-bench: artefacts -> one report of speed and accuracy."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from segbench.options import BenchOptions, ContributeOptions
from segdata.command_line.command import Command, dispatch
from segdata.command_line.option import with_options
from segdata.command_line.progress import progress_bar

if TYPE_CHECKING:
    from segbench.results import BenchReport
    from segdata.devices import Device

_PATH = click.Path(path_type=Path)


_EXAMPLES = (
    "seg-bench",
    "seg-bench exports/unet-256.*.onnx --data dataset --html report.html",
    "seg-bench preflight",
)


@click.command("seg-bench", cls=Command, examples=_EXAMPLES)
@with_options(BenchOptions)
def bench_command(options: BenchOptions) -> None:
    """Measure ARTEFACTS: .onnx and .engine files; the shipped models if none is given.

    A checkpoint stands for its exports in every precision. Engine FPS is the network alone, end-to-end FPS is all that
    seg-run does: decode, shrink, network, overlay, encode.

    seg-bench preflight says what this machine can run and what is missing; seg-bench contribute packs the figures of a
    machine into one file to send; seg-bench compare A.json B.json says what changed between two reports.
    """
    from segbench.artefacts import artefacts_of
    from segbench.bench import bench, check_options
    from segbench.report.terminal import print_report
    from segdata.devices import device_named

    device = None if options.estimate is None else device_named(options.estimate)
    check_options(options)
    if options.html:
        import segbench.report.page  # noqa: F401 - a missing library is reported before minutes of measuring
    with tempfile.TemporaryDirectory() as folder:
        with progress_bar("Exporting", "models") as bar:
            paths = artefacts_of(options.artefacts, options.all_precisions, Path(folder), options.data, bar)
        if device is not None:
            _print_estimates(paths, device)
            return
        with progress_bar("Measuring", "steps") as bar:
            report = bench(options, paths, bar)
    print_report(report, Console())
    _write(report, options)


def _print_estimates(paths: list[Path], device: "Device") -> None:
    from segbench.estimate import as_table, estimate, layer_table

    estimates = [estimate(path, device) for path in paths]
    console = Console()
    if len(estimates) == 1:
        console.print(layer_table(estimates[0]))
    console.print(as_table(estimates))


def _write(report: "BenchReport", options: BenchOptions) -> None:
    from segbench.report.markdown import write_markdown
    from segbench.report.terminal import write_json

    if options.json:
        write_json(report, options.json)
    if options.markdown:
        write_markdown(report, options.markdown)
    if options.html:
        from segbench.report.page import write_page

        write_page(report, options.html)
    for path in filter(None, (options.json, options.markdown, options.html)):
        click.echo(path)


@click.command(
    "preflight", cls=Command, examples=("seg-bench preflight", "seg-bench preflight exports/unet-128.fp32.onnx")
)
@click.argument("model", type=_PATH, required=False)
def preflight_command(model: Path | None) -> None:
    """Say, in under two minutes, what this machine can run, what is missing, and what to export for it.

    Looks at what is installed, for an NVIDIA driver and GPU, and for TensorRT; builds MODEL (an .onnx file; the shipped
    model if not given) in each precision and times what runs. What is missing is shown with the command to
    install it.
    """
    from segbench.preflight.preflight import preflight
    from segbench.preflight.table import print_preflight

    with progress_bar("Checking", "steps") as bar:
        found = preflight(model, bar)
    print_preflight(found, Console())


@click.command(
    "contribute", cls=Command, examples=("seg-bench contribute", "seg-bench contribute --cpu -o figures.zip")
)
@with_options(ContributeOptions)
def contribute_command(options: ContributeOptions) -> None:
    """Measure the standard table on this machine and pack it into one file to send.

    Three models, three precisions, TensorRT and TensorRT-RTX as installed, a drive and scenes that are the same
    everywhere: some ten minutes. The file has report, preflight and logs, without your name, your machine's and your
    folders.
    """
    from segbench.contribute.contribute import contribute, where_to_send
    from segbench.report.terminal import print_report

    with progress_bar("Contributing", "steps") as bar:
        made = contribute(options, bar)
    print_report(made.report, Console())
    click.echo(f"\n{made.path}\nLook into it if you like, then attach it to an issue: {where_to_send()}")


@click.command("compare", cls=Command, examples=("seg-bench compare yesterday.json today.json",))
@click.argument("before", type=_PATH)
@click.argument("after", type=_PATH)
@click.option("--markdown", type=_PATH, metavar="FILE", help="Write the comparison there as Markdown.")
def compare_command(before: Path, after: Path, markdown: Path | None) -> None:
    """Say what changed from the JSON report BEFORE to AFTER, and whether that is more than noise."""
    from segbench.judge.compare import compare
    from segbench.report.compare_table import print_comparison, write_comparison
    from segbench.results import read_report

    comparison = compare(read_report(before), read_report(after))
    print_comparison(comparison, Console())
    if markdown:
        write_comparison(comparison, markdown)
        click.echo(markdown)


def main() -> None:
    """Run seg-bench."""
    dispatch(
        "seg-bench",
        bench_command,
        {"preflight": preflight_command, "contribute": contribute_command, "compare": compare_command},
    )
