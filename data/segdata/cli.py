"""seg-data: images + labels -> a prepared dataset; synthetic scenes where there are none."""

import sys
from collections.abc import Callable

import click

from segdata.command import Command, Group
from segdata.option import with_options
from segdata.options import CheckOptions, PrepareOptions, ShowOptions, SynthOptions
from segdata.progress import progress_bar


@click.group(cls=Group)
def main() -> None:
    """Prepare datasets for training, and make synthetic ones."""


SOURCE_HELP = """
    SOURCE is recognised by itself as one of these layouts, if its label files
    hold labels (BMP, JPEG, PNG, PPM, TIFF or WebP):

    \b
    official      leftImg8bit/SPLIT/CITY/*_leftImg8bit.png with
                  gtFine/SPLIT/CITY/*_gtFine_labelIds.png
                  (or _labelTrainIds, or _color)
    pairs         SPLIT/leftImg/NAME with SPLIT/labelIds/NAME
    plain         images/NAME with masks/NAME, labels/ or annotations/;
                  img_dir/NAME with ann_dir/NAME; SPLIT/ before or behind
    VOC           JPEGImages/NAME with SegmentationClass/NAME
    CamVid        SPLIT/NAME with SPLITannot/NAME, or SPLIT_labels/NAME_L
    one folder    SPLIT/NAME with SPLIT/NAME_mask
    side by side  SPLIT/NAME: the image left, its colours right

    \b
    Masks hold ids (grey, palette) or colours of the label space; valid and
    validation are val.
"""


def with_layouts(function: Callable[..., None]) -> Callable[..., None]:
    """Add the list of layouts to the help of a command that takes SOURCE."""
    function.__doc__ = f"{function.__doc__}{SOURCE_HELP}"
    return function


@main.command(
    cls=Command,
    examples=(
        "seg-data prepare cityscapes dataset --size 256 --size 128",
        "seg-data prepare mine dataset --label-space mine.toml",
    ),
)
@with_layouts
@with_options(PrepareOptions)
def prepare(options: PrepareOptions) -> None:
    """Decode, shrink and store the labelled images of SOURCE as a dataset in TARGET.

    Labels shrink by majority vote. A fifth of val is set apart to calibrate INT8. An interrupted run goes on when
    started again.
    """
    from segdata.prepare.decoding import describe
    from segdata.prepare.prepare import prepare as prepare_dataset

    with progress_bar("Preparing", "frames") as bar:
        report = prepare_dataset(options, bar)
    if report.resumed:
        click.echo(f"{report.resumed} frames were there already")
    if report.unknown:
        click.echo(f"unknown labels became ignore: {describe(report.unknown)}", err=True)
    for line in report.remarks:
        click.echo(line, err=True)
    for dataset in report.datasets:
        facts = dataset.facts
        counts = ", ".join(f"{name} {len(split.names)}" for name, split in facts.splits.items())
        click.echo(f"{counts} frames of {facts.width}x{facts.height}, {len(facts.calibration)} of val for calibration")
        click.echo(dataset.folder)


@main.command(cls=Command, examples=("seg-data check cityscapes", "seg-data check mine --label-space mine.toml"))
@with_layouts
@with_options(CheckOptions)
def check(options: CheckOptions) -> None:
    """Read all of SOURCE and list what is wrong with it; write nothing. Exit code 1 if anything is."""
    from rich.console import Console
    from rich.table import Table

    from segdata.prepare.check import check as check_source

    with progress_bar("Checking", "frames") as bar:
        report = check_source(options, bar)
    counts = ", ".join(f"{name} {count}" for name, count in report.frames.items())
    click.echo(f"layout {report.layout}: {counts} frames, {len(report.problems)} problems")
    for line in report.remarks:
        click.echo(line)
    if report.problems:
        table = Table("problem", "where")
        for problem in report.problems:
            table.add_row(problem.kind, problem.detail)
        Console(markup=False, emoji=False).print(table)
        sys.exit(1)


@main.command(
    cls=Command,
    short_help="Draw DATASET: a sheet of frames, and how common each class is.",
    examples=("seg-data show dataset", "seg-data show dataset --split train --frames 20 -o pictures"),
)
@with_options(ShowOptions)
def show(options: ShowOptions) -> None:
    """Draw DATASET: sheet.png (image, labels, both, legend) and classes.png (how common each class is)."""
    from segdata.show import show as show_dataset

    for path in show_dataset(options):
        click.echo(path)


@main.command(
    cls=Command,
    short_help="Make synthetic street scenes with exact labels, and a video, in TARGET.",
    examples=("seg-data synth street", "seg-data synth street --train 0 --val 60 --seconds 20"),
)
@with_options(SynthOptions)
def synth(options: SynthOptions) -> None:
    """Make synthetic street scenes with exact labels in TARGET, in the layout `prepare` reads, and a drive video.

    The video, TARGET/drive.mp4, is 960x540 at 25 frames a second.
    """
    from segdata.synth.write import write_synthetic

    with progress_bar("Painting", "frames") as bar:
        write_synthetic(options, bar)
    click.echo(options.target)
