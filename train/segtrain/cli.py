"""seg-train: dataset -> checkpoint."""

import logging
import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table

from segdata.command import Command, parse_size
from segdata.errors import InputError
from segdata.progress import progress_bar
from segtrain.options import TrainOptions
from segtrain.presets import PRESETS, EncoderName

if TYPE_CHECKING:  # importing these takes seconds, which --help does not need
    from segdata.spec import ModelSpec
    from segtrain.loop import Outcome

_PATH = click.Path(path_type=Path)
_FROM_ARCH = "from --arch"
_BESIDE_RECIPE = ("dataset", "output", "precision", "truth", "tensorboard")  # what a recipe does not decide


@click.command(cls=Command)
@click.argument("dataset", type=_PATH)
@click.option("-o", "--output", type=_PATH, metavar="FOLDER", show_default="runs/unet-SIZE", help="Folder of the run.")
@click.option(
    "--size",
    type=parse_size,
    metavar="N|WxH",
    show_default="DATASET's",
    help="Take DATASET/SIZE of a folder of several sizes.",
)
@click.option(
    "--arch", type=click.Choice(list(PRESETS)), default=TrainOptions.arch, help="Each costs 4 times the last."
)
@click.option("--width", type=int, show_default=_FROM_ARCH, help="Channels of the first level.")
@click.option("--depth", type=int, show_default=_FROM_ARCH, help="Levels below the first; each halves the size.")
@click.option("--widest", type=int, show_default=_FROM_ARCH, help="Channels that no level exceeds.")
@click.option(
    "--block",
    type=click.Choice(["plain", "separable", "residual"]),
    show_default=_FROM_ARCH,
    help="Two convolutions, depthwise and pointwise ones, or two and a way around.",
)
@click.option(
    "--upsample",
    type=click.Choice(["transpose", "resize"]),
    show_default=_FROM_ARCH,
    help="How the decoder doubles its size.",
)
@click.option("--stem-stride", type=click.IntRange(1, 2), show_default=_FROM_ARCH, help="2 works at half the size.")
@click.option(
    "--encoder",
    type=click.Choice(get_args(EncoderName)),
    help="A UNet on this EfficientNet-Lite instead of --arch, from ImageNet weights.",
)
@click.option("--decoder-width", type=click.IntRange(1), show_default="32", help="Channels above --encoder.")
@click.option("--epochs", type=click.IntRange(1), default=TrainOptions.epochs, help="How often the weights are scored.")
@click.option(
    "--passes", type=click.IntRange(1), default=TrainOptions.passes, help="Passes over the training frames an epoch."
)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Choose --epochs to fit into this time.")
@click.option("--patience", type=click.IntRange(1), help="Stop after so many epochs without a better mIoU on val.")
@click.option("--batch-size", type=click.IntRange(1), default=TrainOptions.batch_size, help="Frames a step.")
@click.option("--learning-rate", default=TrainOptions.learning_rate, help="Peak of the one-cycle schedule.")
@click.option(
    "--encoder-learning-rate", default=TrainOptions.encoder_learning_rate, help="Peak of the schedule of --encoder."
)
@click.option("--weight-decay", default=TrainOptions.weight_decay, help="AdamW's.")
@click.option(
    "--class-balance",
    type=click.FloatRange(0, 1),
    default=TrainOptions.class_balance,
    help="0 weighs every pixel alike, 1 every class.",
)
@click.option(
    "--region-loss",
    type=click.Choice(["none", "dice", "lovasz"]),
    default=TrainOptions.region_loss,
    help="Added to cross-entropy.",
)
@click.option(
    "--augment",
    type=click.Choice(["none", "plain", "strong"]),
    default=TrainOptions.augment,
    help="strong adds other light, blur and noise to flips, crops and colours.",
)
@click.option(
    "--average",
    type=click.FloatRange(0, 1, max_open=True),
    default=TrainOptions.average,
    help="Decay a step of the averaged weights, which are the ones kept.",
)
@click.option("--clip", default=TrainOptions.clip, help="Largest norm of the gradient.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "32-true", "bf16-mixed", "16-mixed"]),
    default=TrainOptions.precision,
    help="auto is the fastest that is safe here: never float16 on a GTX 16xx.",
)
@click.option("--devices", type=click.IntRange(1), show_default="all GPUs, or 1 process", help="Processes a machine.")
@click.option("--nodes", type=click.IntRange(1), default=TrainOptions.nodes, help="Machines, under torchrun.")
@click.option("--init", type=_PATH, metavar="CHECKPOINT", help="Begin with a checkpoint's weights, of any size.")
@click.option("--teacher", type=_PATH, metavar="CHECKPOINT", help="Learn what this network thinks of each pixel, too.")
@click.option(
    "--teacher-share",
    type=click.FloatRange(0, 1),
    default=TrainOptions.teacher_share,
    help="The teacher's share of the loss; the labels have the rest.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    default=TrainOptions.temperature,
    help="Softens what the teacher thinks.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in the folder.")
@click.option(
    "--hold-out",
    type=click.FloatRange(0, 0.5),
    default=TrainOptions.hold_out,
    help="Share of train set apart to choose the epoch; 0 chooses it on val.",
)
@click.option(
    "--truth",
    type=_PATH,
    metavar="DATASET",
    show_default="DATASET/../256 if there",
    help="Score val on larger labels, too.",
)
@click.option("--recipe", metavar="NAME|FILE", help="Do all steps of a recipe, or what is left of them.")
@click.option("--tensorboard", is_flag=True, help="Write logs for TensorBoard.")
@click.option("--seed", default=TrainOptions.seed, help="Seed of weights, order and augmentation.")
@click.pass_context
def main(context: click.Context, /, recipe: str | None, **values: object) -> None:
    """Train a UNet on DATASET, which seg-data prepare made, and keep the weights with the best mIoU.

    The folder of the run gets best.safetensors, last.safetensors to go on from, metrics.csv, config.toml and pictures:
    curves, panels, confusion and IoU by class. Uses every GPU that PyTorch finds.
    """
    from segtrain.recipe import follow, load_recipe

    options = TrainOptions(**values)  # type: ignore[arg-type] # click has checked the types
    given = [name for name in values if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if options.minutes is not None and "epochs" in given:
        click.echo(f"Warning: --minutes {options.minutes:g} decides how long; --epochs is not used", err=True)
    if recipe is None:
        _run(options)
        return
    others = [f"--{name.replace('_', '-')}" for name in given if name not in _BESIDE_RECIPE]
    if others:
        raise InputError(f"got --recipe with {', '.join(others)}, which the recipe decides; leave one out")
    followed = load_recipe(recipe)
    asked = {name: values[name] for name in _BESIDE_RECIPE if name not in ("dataset", "output")} | {"devices": 1}
    run = partial(_run, way_on="the same command goes on")
    click.echo(follow(followed, options.dataset, options.output or Path("runs") / followed.name, run, asked))


def _run(options: TrainOptions, way_on: str = "go on with --resume") -> None:
    """Train, and show how it goes; `way_on` is said to whoever interrupts it."""
    from segtrain.history import EpochFigures
    from segtrain.loop import Progress, train
    from segtrain.plots import plot_curves, save
    from segtrain.report import TensorBoardLog, write_config, write_pictures
    from segtrain.setting import open_dataset, run_folder
    from segtrain.summary import describe

    for name in ("lightning_fabric", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)  # it announces the precision that was asked for
    dataset = open_dataset(options)
    folder = run_folder(options, dataset)
    log: TensorBoardLog | None = None
    with progress_bar("Training", "steps") as bar:
        note = ""

        def on_plan(spec: "ModelSpec", steps: int, epochs: int, done: int) -> None:
            nonlocal log
            if not bar.started:
                for line in describe(spec):
                    click.echo(line)
                if options.tensorboard:
                    log = TensorBoardLog(folder)
            write_config(folder, options, spec, epochs)
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
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_what_was_kept(folder, way_on)) from None
    if outcome.first:
        write_pictures(folder, dataset, outcome)
        _tell(outcome)


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
