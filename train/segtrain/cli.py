"""seg-train: dataset -> checkpoint."""

import logging
import math
from pathlib import Path

import click

from segdata.command import Command, progress_bar
from segtrain.options import TrainOptions


@click.command(cls=Command)
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=TrainOptions.output, help="Folder of the run.")
@click.option("--size", default=TrainOptions.size, help="Height and width in pixels; the dataset's.")
@click.option("--width", default=TrainOptions.width, help="Channels of the first level.")
@click.option("--depth", default=TrainOptions.depth, help="Levels below the first; each halves the size.")
@click.option("--epochs", default=TrainOptions.epochs, help="Passes over the training frames.")
@click.option("--batch-size", default=TrainOptions.batch_size, help="Frames a step.")
@click.option("--learning-rate", default=TrainOptions.learning_rate, help="Peak of the one-cycle schedule.")
@click.option("--weight-decay", default=TrainOptions.weight_decay, help="AdamW's.")
@click.option(
    "--precision",
    type=click.Choice(["32-true", "bf16-mixed"]),
    default=TrainOptions.precision,
    help="bf16-mixed is faster on GPUs from Ampere on and on CPUs with AVX-512 BF16 or AMX.",
)
@click.option("--seed", default=TrainOptions.seed, help="Seed of weights, order and augmentation.")
def main(**values: object) -> None:
    """Train a UNet on DATASET, which seg-data prepare made, and keep the checkpoint with the best mIoU on val.

    Writes best.safetensors, metrics.csv and curves.png. Uses a GPU if PyTorch finds one.
    """
    from segdata.dataset import Dataset
    from segtrain.loop import EpochFigures, Progress, step_total, train
    from segtrain.plots import plot_curves

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces the precision that was asked for
    options = TrainOptions(**values)  # type: ignore[arg-type] # click has checked the types
    dataset = Dataset(options.dataset)
    with progress_bar("Training", "steps") as bar:
        note = ""

        def on_step(loss: float) -> None:
            bar.advance(f"loss {loss:.3f}{note}")

        def on_epoch(figures: EpochFigures) -> None:
            nonlocal note
            note = f", mIoU {100 * figures.miou:.1f}"

        progress = Progress(lambda: bar.start(step_total(options, dataset)), on_step, on_epoch)
        best, history = train(options, dataset, progress)
    plot_curves(history, options.output / "curves.png")
    chosen = max(history, key=lambda figures: figures.miou)
    official = "" if math.isnan(chosen.miou_official) else f", over the 19 official {100 * chosen.miou_official:.1f}"
    click.echo(
        f"best in epoch {chosen.epoch}: mIoU over {len(dataset.facts.class_names)} classes {100 * chosen.miou:.1f}"
        f"{official}, pixel accuracy {100 * chosen.pixel_accuracy:.1f} (percent, on val)"
    )
    click.echo(best)
