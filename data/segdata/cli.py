"""seg-data: images + labels -> a prepared dataset; synthetic scenes where there are none."""

import sys
from collections.abc import Callable
from importlib.metadata import entry_points

import click

from segdata.command_line.command import Command, Group
from segdata.command_line.option import with_options
from segdata.command_line.progress import progress_bar
from segdata.options import CheckOptions, ClassesOptions, ConvertOptions, PrepareOptions, ShowOptions, SynthOptions

_BY_OTHERS = "edgeseg.seg_data"  # the group of entry points of subcommands that need more than this package


class _DataGroup(Group):
    """A group that also has the subcommands of packages that segdata must not import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *sorted(entry.name for entry in entry_points(group=_BY_OTHERS))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for entry in entry_points(group=_BY_OTHERS, name=cmd_name):
            found: click.Command = entry.load()
            return found
        return super().get_command(ctx, cmd_name)


_EXAMPLES = (
    "seg-data synth street",
    "seg-data prepare street dataset --size 128",
    "seg-data prelabel drive.mp4 -o to-label --budget 50",
)


@click.group(cls=_DataGroup, examples=_EXAMPLES)
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
    Mapillary     SPLIT/images/NAME with SPLIT/v1.2/labels/NAME or v2.0
    BDD100K       images/10k/SPLIT/NAME with
                  labels/sem_seg/masks/SPLIT/NAME (or seg/ of 2018)

    \b
    Masks hold ids (grey, palette) or colours of the label space; valid and
    validation are val.

    \b
    Annotations are found by their files, and images by the names in them:
    COCO          *.json: instances, or panoptic with its PNGs
    YOLO          data.yaml with labels/SPLIT/NAME.txt, polygons
    CVAT          annotations.xml of "CVAT for images 1.1"
    Label Studio  *.json: tasks with brushes, polygons, rectangles, ellipses;
                  or task-*.png, with images called after their tasks
    labelme       NAME.json for each image
    Hugging Face  metadata.jsonl that names images and masks, or *.parquet

    \b
    Their classes are those of the label space that have their names;
    seg-data classes makes a label space of them.
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
    from segdata.prepare.labels.decoding import describe
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
    examples=(
        "seg-data convert cityscapes for-cvat --to cvat",
        "seg-data convert mine yolo --to yolo --label-space mine.toml",
    ),
)
@with_options(ConvertOptions)
def convert(options: ConvertOptions) -> None:
    """Write DATASET, labelled images of any layout or a prepared dataset, into DST in another format.

    \b
    png           images/SPLIT/NAME, masks/SPLIT/NAME.png: grey ids
    voc           Pascal VOC, as CVAT's "Segmentation mask 1.1" has it
    coco          annotations/instances_SPLIT.json, images/SPLIT/NAME
    yolo          data.yaml, labels/SPLIT/NAME.txt, images/SPLIT/NAME
    cvat          SPLIT/annotations.xml, SPLIT/images/NAME, labels.json
    labelstudio   SPLIT/tasks.json, SPLIT/images/NAME, config.xml
    labelme       SPLIT/NAME.json beside SPLIT/NAME

    labels.toml has the classes, where they are your own. Image files are copied as they are.
    """
    from segdata.convert import convert as convert_dataset

    with progress_bar("Converting", "frames") as bar:
        report = convert_dataset(options, bar)
    for line in report.remarks:
        click.echo(line, err=True)
    click.echo(", ".join(f"{split} {count}" for split, count in report.frames.items()) + " frames")
    if report.label_space is not None:
        click.echo(f"read it with --label-space {report.label_space}")
    click.echo(options.target)


@main.command(
    cls=Command,
    examples=("seg-data classes coco -o coco.toml", "seg-data prepare coco dataset --label-space coco.toml"),
)
@with_options(ClassesOptions)
def classes(options: ClassesOptions) -> None:
    """Write the classes of SOURCE, annotations of another tool, as a label space."""
    from segdata.classes import write_classes

    space = write_classes(options)
    click.echo(f"{space.class_count} classes: {', '.join(space.names)}")
    click.echo(options.output)


@main.command(
    cls=Command,
    short_help="Draw DATASET: a sheet of frames, and how common each class is.",
    examples=(
        "seg-data show dataset",
        "seg-data show dataset --split train --frames 20 -o pictures",
        "seg-data show camvid --label-space camvid",
    ),
)
@with_options(ShowOptions)
def show(options: ShowOptions) -> None:
    """Draw DATASET: sheet.png (image, labels, both, legend) and classes.png (how common each class is).

    DATASET is prepared, or labelled images as prepare takes them, whose classes are counted on 50 frames of each split.
    """
    from segdata.prepare.show import show as show_frames

    with progress_bar("Reading", "frames") as bar:
        paths = show_frames(options, bar)
    for path in paths:
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
