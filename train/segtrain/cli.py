"""seg-train: dataset -> checkpoint."""

import logging
import math
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table

from segdata.command_line.command import Command, typed
from segdata.command_line.option import with_options
from segdata.command_line.progress import progress_bar
from segdata.command_line.unused import refuse_unused
from segdata.errors import InputError
from segdata.shipped import checkpoint_file
from segtrain.options import TrainOptions

if TYPE_CHECKING:  # importing it takes seconds, which --help does not need
    from segtrain.loop import Outcome

_BESIDE_RECIPE = ("dataset", "output", "precision", "threads", "truth", "log")  # options a recipe leaves to the user


_NEEDS = {
    "decoder_width": "encoder",
    "encoder_learning_rate": "encoder",
    "teacher_share": "teacher",
    "temperature": "teacher",
}
"""Options that do nothing without another one. In a recipe they may be of all steps, of which some have the other."""


_EXAMPLES = (
    "seg-train dataset --minutes 30",
    "seg-train dataset --encoder lite0 -o runs/lite0",
    "seg-train dataset --init unet-128 --teacher runs/lite0/best.safetensors",
)


@click.command(cls=Command, examples=_EXAMPLES)
@with_options(TrainOptions)
@click.option("--recipe", metavar="NAME|FILE", help="Do all steps of a recipe, or what is left of them.")
def main(options: TrainOptions, recipe: str | None) -> None:
    """Train a UNet on DATASET, which seg-data prepare made, and keep the weights with the best mIoU.

    The folder of the run gets best.safetensors, last.safetensors to go on from, metrics.csv, config.toml and run.html,
    a page to watch it by: curves, frames, confusion and IoU by class. Uses every GPU that PyTorch finds.
    """
    from segtrain.recipe import follow, load_recipe

    context = click.get_current_context()
    given = [name for name in vars(options) if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if recipe is None:
        missing = {name: needed for name, needed in _NEEDS.items() if getattr(options, needed) is None}
        refuse_unused((name, f"--{needed}; add --{needed}, or leave it out") for name, needed in missing.items())
    if options.minutes is not None and "epochs" in given:
        click.echo(f"Warning: --minutes {options.minutes:g} decides how long; --epochs is not used", err=True)
    again = "the same command" if "LOCAL_RANK" in os.environ else typed()  # not what torchrun was called with
    if recipe is None:
        if not _run(options, again, again if options.resume else f"{again} --resume"):
            # This process is done; taking its process group down hangs now and then.
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
    run = partial(_run, again=again, on=again)
    click.echo(follow(followed, options.dataset, options.output or Path("runs") / followed.name, run, asked))


def _run(options: TrainOptions, again: str, on: str) -> bool:
    """Train and show progress; return whether this is the first of the processes.

    A user who interrupts the run is told `again`, the command that begins it again, or `on`, the one that goes on.
    """
    from segtrain.loop import train
    from segtrain.report.reporter import Reporter
    from segtrain.report.run_folder import write_pictures
    from segtrain.setting import open_dataset, run_folder

    for name in ("lightning_fabric", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)  # it announces the requested precision
    init, teacher = (None if word is None else checkpoint_file(word) for word in (options.init, options.teacher))
    options = replace(options, init=init, teacher=teacher)
    dataset = open_dataset(options)
    folder = run_folder(options, dataset)
    reporter = Reporter(folder, options)
    with progress_bar("Training", "steps") as bar:
        try:
            outcome = train(options, dataset, bar, reporter)
            if outcome.first:
                write_pictures(folder, dataset, outcome)
                reporter.finish()
        except BaseException as error:
            reporter.give_up()
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(_what_was_kept(folder, again, on)) from None
            raise
    if outcome.first:
        _tell(outcome)
    return outcome.first


def _what_was_kept(folder: Path, again: str, on: str) -> str:
    """Return what an interrupted run left in its folder, and how to continue it."""
    from segtrain.state import read_position

    last = folder / "last.safetensors"
    if not last.exists():
        return f"no epoch was over, so nothing was kept; begin again with: {again}"
    position = read_position(last)
    return f"{folder} keeps the weights of {len(position.history)} of {position.epochs} epochs; go on with: {on}"


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
