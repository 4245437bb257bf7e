"""seg-data: images + labels -> a prepared dataset; synthetic scenes where there are none."""

from pathlib import Path

import click

from segdata.command import Command, Group, progress_bar
from segdata.options import PrepareOptions, SynthOptions


@click.group(cls=Group)
def main() -> None:
    """Prepare datasets for training, and make synthetic ones."""


@main.command(cls=Command)
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--size", default=PrepareOptions.size, help="Height and width in pixels of the prepared frames.")
@click.option("--seed", default=PrepareOptions.seed, help="Seed of the choice of calibration frames.")
def prepare(**values: object) -> None:
    """Decode, shrink and store the pairs below SOURCE as a dataset in TARGET.

    SOURCE has SPLIT/leftImg/NAME.jpg (the frames) and SPLIT/labelIds/NAME.jpg (labels in the Cityscapes colours, JPEG
    or PNG) for SPLIT train and val. Labels shrink by majority vote. A fifth of val is set apart for INT8 calibration.
    """
    from segdata.prepare import prepare as prepare_dataset

    options = PrepareOptions(**values)  # type: ignore[arg-type] # click has checked the types
    with progress_bar("Preparing", "frames") as bar:
        facts = prepare_dataset(options, bar.start, bar.advance)
    counts = ", ".join(f"{name} {len(split.names)}" for name, split in facts.splits.items())
    click.echo(f"{counts} frames of {facts.width}x{facts.height}, {len(facts.calibration)} of val for calibration")
    click.echo(options.target)


@main.command(cls=Command)
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--train", default=SynthOptions.train, help="Training frames to make.")
@click.option("--val", default=SynthOptions.val, help="Validation frames to make.")
@click.option("--size", default=SynthOptions.size, help="Height and width in pixels of the frames.")
@click.option("--seconds", default=SynthOptions.seconds, help="Length of the drive video; 0 makes none.")
@click.option("--seed", default=SynthOptions.seed, help="Another seed, another town.")
def synth(**values: object) -> None:
    """Make synthetic street scenes with exact labels in TARGET, in the layout `prepare` reads, and a drive video.

    The video, TARGET/drive.mp4, is 960x540 at 25 frames a second.
    """
    from segdata.synth.write import frame_total, write_synthetic

    options = SynthOptions(**values)  # type: ignore[arg-type] # click has checked the types
    with progress_bar("Painting", "frames") as bar:
        bar.start(frame_total(options))
        write_synthetic(options, bar.advance)
    click.echo(options.target)
