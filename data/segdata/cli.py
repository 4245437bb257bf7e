"""seg-data: images + labels -> a prepared dataset; synthetic scenes where there are none."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from segdata.command import Command, Group, parse_size
from segdata.options import CheckOptions, PrepareOptions, ShowOptions, Size, SynthOptions
from segdata.progress import progress_bar


@click.group(cls=Group)
def main() -> None:
    """Prepare datasets for training, and make synthetic ones."""


SOURCE_HELP = """
    SOURCE is recognised by itself as one of these layouts, of JPEG or PNG files:

    \b
    official      leftImg8bit/SPLIT/CITY/*_leftImg8bit.png with
                  gtFine/SPLIT/CITY/*_gtFine_labelIds.png
                  (or _labelTrainIds, or _color)
    pairs         SPLIT/leftImg/NAME with SPLIT/labelIds/NAME in colours
    side by side  SPLIT/NAME: the image left, its colours right
    plain         images/NAME with masks/NAME of ids (official labelIds, for
                  the Cityscapes label spaces), also below SPLIT/
"""


def with_layouts(function: Callable[..., None]) -> Callable[..., None]:
    """Add the list of layouts to the help of a command that takes SOURCE."""
    function.__doc__ = f"{function.__doc__}{SOURCE_HELP}"
    return function


label_space_option = click.option(
    "--label-space",
    default=PrepareOptions.label_space,
    help="Classes: cityscapes-29, -19 or -8, or a .toml or .json file that defines them.",
)


@main.command(cls=Command)
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--size",
    "sizes",
    type=parse_size,
    metavar="N|WxH",
    multiple=True,
    help="Pixels; several make a folder each.  [default: 128]",
)
@label_space_option
@click.option(
    "--val-fraction", default=PrepareOptions.val_fraction, help="Share that becomes val if SOURCE has no splits."
)
@click.option("--seed", default=PrepareOptions.seed, help="Seed of val, and of the choice of calibration frames.")
@with_layouts
def prepare(sizes: tuple[Size, ...], **values: object) -> None:
    """Decode, shrink and store the labelled images of SOURCE as a dataset in TARGET.

    Labels shrink by majority vote. A fifth of val is set apart to calibrate INT8. An interrupted run goes on when
    started again.
    """
    from segdata.prepare.prepare import prepare as prepare_dataset
    from segdata.prepare.reading import describe

    options = PrepareOptions(sizes=sizes or PrepareOptions.sizes, **values)  # type: ignore[arg-type]
    with progress_bar("Preparing", "frames") as bar:
        report = prepare_dataset(options, bar.start, bar.advance)
    if report.resumed:
        click.echo(f"{report.resumed} frames were there already")
    if report.unknown:
        click.echo(f"unknown labels became ignore: {describe(report.unknown)}", err=True)
    for dataset in report.datasets:
        facts = dataset.facts
        counts = ", ".join(f"{name} {len(split.names)}" for name, split in facts.splits.items())
        click.echo(f"{counts} frames of {facts.width}x{facts.height}, {len(facts.calibration)} of val for calibration")
        click.echo(dataset.folder)


@main.command(cls=Command)
@click.argument("source", type=click.Path(path_type=Path))
@label_space_option
@with_layouts
def check(**values: object) -> None:
    """Read all of SOURCE and list what is wrong with it; write nothing. Exit code 1 if anything is."""
    from rich.console import Console
    from rich.table import Table

    from segdata.prepare.check import check as check_source

    with progress_bar("Checking", "frames") as bar:
        report = check_source(CheckOptions(**values), bar.start, bar.advance)  # type: ignore[arg-type]
    counts = ", ".join(f"{name} {count}" for name, count in report.frames.items())
    click.echo(f"layout {report.layout}: {counts} frames, {len(report.problems)} problems")
    if report.problems:
        table = Table("problem", "where")
        for problem in report.problems:
            table.add_row(problem.kind, problem.detail)
        Console(markup=False, emoji=False).print(table)
        sys.exit(1)


@main.command(cls=Command, short_help="Draw DATASET: a sheet of frames, and how common each class is.")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    default=ShowOptions.output,
    help="Folder to write to.",
)
@click.option("--split", default=ShowOptions.split, help="The split the frames are from.")
@click.option("--frames", default=ShowOptions.frames, help="Frames on the sheet.")
def show(**values: object) -> None:
    """Draw DATASET: sheet.png (image, labels, both, legend) and classes.png (how common each class is)."""
    from segdata.show import show as show_dataset

    for path in show_dataset(ShowOptions(**values)):  # type: ignore[arg-type]
        click.echo(path)


@main.command(cls=Command, short_help="Make synthetic street scenes with exact labels, and a video, in TARGET.")
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--train", default=SynthOptions.train, help="Training frames to make.")
@click.option("--val", default=SynthOptions.val, help="Validation frames to make.")
@click.option(
    "--size",
    type=parse_size,
    metavar="N|WxH",
    default="{}x{}".format(*SynthOptions.size),
    help="Size in pixels; the view is the same at any.",
)
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
