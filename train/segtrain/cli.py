"""seg-train: dataset -> checkpoint."""

import logging
import math
import os
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table

from segdata.command import Command
from segdata.errors import InputError
from segdata.option import with_options
from segdata.progress import progress_bar
from segtrain.options import TrainOptions

if TYPE_CHECKING:  # importing these takes seconds, which --help does not need
    from segdata.spec import ModelSpec
    from segtrain.loop import Outcome

_BESIDE_RECIPE = ("dataset", "output", "precision", "truth", "log")  # what a recipe does not decide


@click.command(cls=Command)
@with_options(TrainOptions)
@click.option("--recipe", metavar="NAME|FILE", help="Do all steps of a recipe, or what is left of them.")
def main(options: TrainOptions, recipe: str | None) -> None:
    """Train a UNet on DATASET, which seg-data prepare made, and keep the weights with the best mIoU.

    The folder of the run gets best.safetensors, last.safetensors to go on from, metrics.csv, config.toml and pictures:
    curves, panels, confusion and IoU by class. Uses every GPU that PyTorch finds.
    """
    from segtrain.recipe import follow, load_recipe

    context = click.get_current_context()
    given = [name for name in vars(options) if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if options.minutes is not None and "epochs" in given:
        click.echo(f"Warning: --minutes {options.minutes:g} decides how long; --epochs is not used", err=True)
    if recipe is None:
        if not _run(options):
            # The work of this process is done; to take its group of processes down waits for ever now and then.
            sys.stdout.flush()
            os._exit(0)
        return
    others = [f"--{name.replace('_', '-')}" for name in given if name not in _BESIDE_RECIPE]
    if others:
        raise InputError(f"got --recipe with {', '.join(others)}, which the recipe decides; leave one out")
    followed = load_recipe(recipe)
    asked = {name: getattr(options, name) for name in _BESIDE_RECIPE if name not in ("dataset", "output")} | {
        "devices": 1
    }
    run = partial(_run, way_on="the same command goes on")
    click.echo(follow(followed, options.dataset, options.output or Path("runs") / followed.name, run, asked))


def _run(options: TrainOptions, way_on: str = "go on with --resume") -> bool:
    """Train, and show how it goes; return whether this is the first of the processes.

    `way_on` is said to whoever interrupts it.
    """
    from segtrain.history import EpochFigures
    from segtrain.loop import Progress, train
    from segtrain.report.log import RunLog, open_log
    from segtrain.report.plots import plot_curves, save
    from segtrain.report.run_folder import write_config, write_pictures
    from segtrain.report.summary import describe
    from segtrain.setting import open_dataset, run_folder

    for name in ("lightning_fabric", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)  # it announces the precision that was asked for
    dataset = open_dataset(options)
    folder = run_folder(options, dataset)
    log: RunLog | None = None
    with progress_bar("Training", "steps") as bar:
        note = ""

        def on_plan(spec: "ModelSpec", steps: int, epochs: int, done: int) -> None:
            nonlocal log
            if not bar.started:
                for line in describe(spec):
                    click.echo(line)
            write_config(folder, options, spec, epochs)
            if options.log and log is None:
                log = open_log(options.log, folder, asdict(options))
            bar.start(steps, done)

        def on_step(loss: float, images_per_second: float) -> None:
            bar.advance(f"loss {loss:.3f}{note}, {images_per_second:.0f} images/s")

        def on_epoch(history: list[EpochFigures]) -> None:
            nonlocal note
            note = f", mIoU {100 * history[-1].miou:.1f}"
            save(plot_curves(history), folder / "curves.png")
            if log is not None:
                log.add(history[-1])

        def on_warning(line: str) -> None:
            click.echo(f"Warning: {line}", err=True)

        try:
            outcome = train(options, dataset, Progress(on_plan, on_step, on_epoch, on_warning))
        except BaseException as error:
            if log is not None:
                log.give_up()
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(_what_was_kept(folder, way_on)) from None
            raise
    if outcome.first:
        write_pictures(folder, dataset, outcome)
        if log is not None:
            log.finish()
        _tell(outcome)
    return outcome.first


def _what_was_kept(folder: Path, way_on: str) -> str:
    """Return what an interrupted run has left in its folder, and how to go on."""
    from segtrain.state import read_position

    last = folder / "last.safetensors"
    if not last.exists():
        return "no epoch was over, so nothing was kept"
    position = read_position(last)
    return f"{folder} keeps the weights of {len(position.history)} of {position.epochs} epochs: {way_on}"


def _tell(outcome: "Outcome") -> None:
    """Print the figures of the best weights."""
    from segdata.metrics import accuracy
    from segtrain.history import best_of

    spec, evaluation = outcome.spec, outcome.evaluation
    best = best_of(outcome.history)
    table = Table(title=f"val, weights of epoch {best.epoch if best else '?'} of {len(outcome.history)}, percent")
    table.add_column("truth at")
    for heading in (f"mIoU, {spec.class_count} classes", "mIoU, 19 official", "pixel accuracy"):
        table.add_column(heading, justify="right")
    rows = {f"{spec.width}x{spec.height}, the network's size": evaluation.matrix}
    if evaluation.truth_matrix is not None:
        rows["the larger truth, logits enlarged"] = evaluation.truth_matrix
    for name, matrix in rows.items():
        figures = accuracy(matrix, spec.class_names)
        table.add_row(
            name, *(_percent(value) for value in (figures.miou, figures.miou_official, figures.pixel_accuracy))
        )
    Console().print(table)
    click.echo(outcome.best)


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.2f}"


if __name__ == "__main__":  # torchrun -m segtrain.cli
    main()
