"""Synthetic scenes on disk: frames and colour labels in the pairs layout, and a drive video."""

from fractions import Fraction
from pathlib import Path

from segdata.command_line.progress import SILENT, Progress
from segdata.errors import InputError
from segdata.files import replacing
from segdata.images.image_file import as_png
from segdata.images.size import Size
from segdata.labels import CITYSCAPES_29
from segdata.options import SynthOptions
from segdata.prepare.layouts.folders import IMAGE_FOLDER, LABEL_FOLDER
from segdata.synth.camera import drive, scene
from segdata.video.picture import Picture
from segdata.video.writer import VideoWriter

VIDEO_FILE = "drive.mp4"
VIDEO_HEIGHT, VIDEO_WIDTH, VIDEO_RATE = 540, 960, 25


def _frame_total(options: SynthOptions) -> int:
    return options.train + options.val + _video_frames(options)


def write_synthetic(options: SynthOptions, progress: Progress = SILENT) -> None:
    """Write train and val pairs and `drive.mp4` into a new folder.

    Frames are PNG, so labels are exact. Raises InputError if the folder exists, or if there is nothing to make.
    """
    if options.target.exists():
        raise InputError(f"{options.target} exists already; remove it or name another folder")
    if min(options.train, options.val, options.seconds) < 0 or _frame_total(options) == 0:
        raise InputError(
            f"got {options.train} training frames, {options.val} validation frames and {options.seconds} seconds; "
            "need none below 0 and one above"
        )
    progress.start(_frame_total(options))
    first_val_seed = options.seed + options.train
    with replacing(options.target) as folder:
        folder.mkdir()
        _write_split(folder / "train", range(options.seed, first_val_seed), options.size, progress)
        _write_split(folder / "val", range(first_val_seed, first_val_seed + options.val), options.size, progress)
        if _video_frames(options):
            write_drive(folder / VIDEO_FILE, options.seed, _video_frames(options), progress)


def write_drive(path: Path, seed: int, frame_count: int, progress: Progress = SILENT) -> None:
    """Write a drive of `frame_count` frames, 960x540 at 25 a second, as a video."""
    rate = Fraction(VIDEO_RATE)
    with VideoWriter(path, rate, 1 / rate) as writer:
        for pts, frame in enumerate(drive(seed, VIDEO_HEIGHT, VIDEO_WIDTH, frame_count, float(rate))):
            writer.write(Picture.from_rgb(frame.image), pts)
            progress.advance()


def _video_frames(options: SynthOptions) -> int:
    return round(options.seconds * VIDEO_RATE)


def _write_split(folder: Path, seeds: range, size: Size, progress: Progress) -> None:
    if not seeds:
        return
    height, width = size
    palette = CITYSCAPES_29.palette()
    for part in (IMAGE_FOLDER, LABEL_FOLDER):
        (folder / part).mkdir(parents=True)
    for number, seed in enumerate(seeds):
        made = scene(seed, height, width)
        (folder / IMAGE_FOLDER / f"{number:04}.png").write_bytes(as_png(made.image))
        (folder / LABEL_FOLDER / f"{number:04}.png").write_bytes(as_png(palette[made.labels]))
        progress.advance()
