"""`seg-data prelabel`, which needs what runs a model: seg-data finds it by its entry point in pyproject.toml."""

import click

from segdata.command_line.command import Command
from segdata.command_line.option import with_options
from segdata.command_line.progress import progress_bar
from segrun.prelabel.options import PrelabelOptions


@click.command(
    cls=Command,
    short_help="Choose the frames worth labelling, with a model's labels to correct.",
    examples=(
        "seg-data prelabel drive.mp4 -o to-label --budget 50",
        "seg-data prelabel photos -o to-label --format labelstudio",
    ),
)
@with_options(PrelabelOptions)
def prelabel(options: PrelabelOptions) -> None:
    """Choose the frames of VIDEO or FOLDER worth labelling, and write them with a model's labels for a tool to correct.

    They are those that the model is least sure of and that differ from each other in colour. File names begin with
    their rank; order.csv lists them. A model of seg-export --confidence says how sure it is; for others it is how much
    of the labels stays the same when the frame is mirrored.
    """
    from segrun.prelabel.prelabel import prelabel as write_prelabels

    with progress_bar("Looking", "frames") as bar:
        report = write_prelabels(options, bar)
    how = "its confidence" if report.by_confidence else "mirrored frames"
    click.echo(
        f"{report.chosen} of {report.looked} frames; by {how} the model is unsure of {report.unsure_of_chosen:.1%} of "
        f"their pixels, of {report.unsure:.1%} in all"
    )
    click.echo(options.output)
