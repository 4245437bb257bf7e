"""Whether options, dataset and the run's folder fit together, and what follows from them."""

import os
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from segdata.dataset.dataset import DATASET_FILE, Dataset, SplitArrays, sized_folder
from segdata.errors import InputError
from segdata.files import on_disk, sha256_of
from segdata.images.size import Size
from segdata.spec import ModelSpec
from segtrain.frames.batches import Indices
from segtrain.options import TrainOptions
from segtrain.state import Position

FEWEST_STEPS = 2  # one up and one down the schedule
TRUTH_FOLDER = "256"
_MAY_CHANGE = (
    *("dataset", "size", "output", "resume", "truth", "log", "device", "devices", "nodes", "threads", "minutes"),
    *("learning_rate", "encoder_learning_rate", "precision"),
)
"""Options that may differ when a run is resumed: they change where it reads, writes and runs and how long, or help
where the loss became NaN. What the dataset holds may not."""


_FRAMES = "frames"  # the setting that says what the dataset holds


def open_dataset(options: TrainOptions) -> Dataset:
    """Open the dataset, or the one of `size` in a folder of several; raise InputError if there is none."""
    return Dataset(options.dataset if options.size is None else sized_folder(options.dataset, options.size))


def device_of(options: TrainOptions) -> torch.device:
    """Return what trains; raise InputError if it is to be a GPU and PyTorch finds none."""
    found = torch.cuda.is_available()
    if options.device == "cuda" and not found:
        raise InputError("got --device cuda, but PyTorch finds no CUDA GPU; seg-bench preflight says why, or take cpu")
    return torch.device("cuda" if found and options.device != "cpu" else "cpu")


def devices_of(options: TrainOptions) -> int | None:
    """Return how many processes this machine runs: as torchrun started them, or as asked; None if neither says."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 0)) or options.devices


def run_folder(options: TrainOptions, dataset: Dataset) -> Path:
    """Return the folder of the run."""
    name = f"unet-{dataset.facts.size}"
    return options.output or Path("runs") / (f"{name}-{options.encoder}" if options.encoder else name)


def check_run(options: TrainOptions, dataset: Dataset) -> Path:
    """Return the folder of the run; raise InputError if these options cannot train on this dataset, or not there."""
    facts = dataset.facts
    if options.size not in (None, facts.size):
        raise InputError(
            f"got --size {options.size} but {dataset.folder} holds {facts.width}x{facts.height} frames; "
            "leave --size out, or name the dataset of that size"
        )
    if options.encoder is not None and (asked := options.asked_of_preset()):
        name = next(iter(asked)).replace("_", "-")
        raise InputError(f"got --{name} and --encoder {options.encoder}, which decides that itself; leave one out")
    multiple = options.architecture().multiple
    if facts.height % multiple or facts.width % multiple:
        raise InputError(
            f"got {facts.width}x{facts.height} frames, need height and width divisible by {multiple} "
            f"({'for an encoder' if options.encoder else 'stem stride x 2**depth'}); prepare another --size"
            f"{'' if options.encoder else ' or lower --depth'}"
        )
    for name in ("train", "val"):
        if len(dataset.split(name)) == 0:
            raise InputError(f"{dataset.folder}: the split {name} has no frames; need at least one")
    frames = len(parts_of_train(len(dataset.split("train")), options.hold_out)[0])
    if frames < options.batch_size:
        raise InputError(
            f"got batches of {options.batch_size} but {frames} training frames; lower --batch-size or add frames"
        )
    processes = (devices_of(options) or 1) * options.nodes
    if options.batch_size % processes:
        raise InputError(f"got batches of {options.batch_size} for {processes} processes, need a multiple")
    if options.minutes is None and frames // options.batch_size * options.passes * options.epochs < FEWEST_STEPS:
        raise InputError(f"got one step in {options.epochs} epoch, need {FEWEST_STEPS}: raise --epochs")
    folder = run_folder(options, dataset)
    with on_disk(folder):
        if folder.is_file():
            raise InputError(f"{folder}: a file, need a folder for the run; name another with -o")
        taken = (folder / "last.safetensors").exists()
    if taken and not options.resume:
        raise InputError(f"{folder} holds a run; go on with it by --resume, or name another folder with -o")
    device_of(options)
    find_truth(options, dataset)
    return folder


def parts_of_train(frames: int, hold_out: float) -> tuple[Indices, Indices]:
    """Return which frames of train are trained on and which are held out to choose the epoch: sorted, int64 [N].

    Those held out are spread evenly over train, the same in every step of a recipe.
    """
    count = round(frames * hold_out)
    held = ((np.arange(count) + 0.5) * frames / max(count, 1)).astype(np.int64)
    return np.setdiff1d(np.arange(frames), held), held


def spec_for(options: TrainOptions, dataset: Dataset) -> ModelSpec:
    """Return the spec of the network to be trained."""
    facts, architecture = dataset.facts, options.architecture()
    return ModelSpec(
        height=facts.height,
        width=facts.width,
        label_space=facts.label_space,
        class_names=facts.class_names,
        colours=facts.colours,
        architecture=architecture.name,
        options=architecture.options(),
        edgeseg_version=version("edgeseg"),
    )


def settings_of(options: TrainOptions, dataset: Dataset, resumed: Position | None) -> dict[str, object]:
    """Return what decides the result, as JSON has it; raise InputError if a run to resume was begun with others.

    Datasets and checkpoints stand by what they hold, so that a run may be moved.
    """
    settings = _settings(options)
    begun = _settings(TrainOptions(dataset=options.dataset)) | (resumed.settings if resumed else settings)
    names = [name for name in begun if name not in (_FRAMES, *_MAY_CHANGE) and settings.get(name) != begun[name]]
    if names:
        differences = ", ".join(
            f"--{name.replace('_', '-')} {settings.get(name)} (was {begun[name]})" for name in names
        )
        raise InputError(f"got {differences}; resume with the options the run was begun with, or begin another")
    settings[_FRAMES] = dataset.facts.plan_sha256
    if resumed is not None and resumed.settings.get(_FRAMES, settings[_FRAMES]) != settings[_FRAMES]:
        raise InputError(
            f"{dataset.folder}: not the dataset that this run was begun with; resume with that one, or begin another"
        )
    return settings


def _settings(options: TrainOptions) -> dict[str, object]:
    settings = {name: plain(value) for name, value in asdict(options).items() if name not in _MAY_CHANGE}
    for name in ("init", "teacher"):
        path = getattr(options, name)
        if path is not None and path.is_file():
            settings[name] = sha256_of(path)
    return settings


def plain(value: object) -> object:
    """Return the value of an option as it is written: a path as text, a size as 128 or 256x128."""
    return str(value) if isinstance(value, Path | Size) else value


def source_for(options: TrainOptions, dataset: Dataset, teacher: ModelSpec | None) -> SplitArrays:
    """Return the frames to train on: train, or for a teacher of larger frames train as it was prepared at its size.

    The network and its teacher then see the same crops, each at its own size. Raises InputError if train was not
    prepared at that size beside the dataset, or if that is no whole multiple of the dataset's.
    """
    split = dataset.split("train")
    facts = dataset.facts
    if teacher is None or (teacher.height <= facts.height and teacher.width <= facts.width):
        return split
    size = teacher.size
    folder = dataset.folder.absolute().parent / str(size)
    if teacher.height % facts.height or teacher.width % facts.width:
        raise InputError(
            f"{options.teacher}: a teacher of {size} frames, need whole multiples of {facts.width}x{facts.height}"
        )
    larger = Dataset(folder) if (folder / DATASET_FILE).is_file() else None
    if larger is None or "train" not in larger.facts.splits or larger.facts.splits["train"].sha256 != split.sha256:
        raise InputError(
            f"{options.teacher}: a teacher of {size} frames, and {folder} does not hold the frames of "
            f"{dataset.folder}; prepare both sizes together: seg-data prepare --size {size} --size {facts.size}"
        )
    return larger.split("train")


def find_truth(options: TrainOptions, dataset: Dataset) -> SplitArrays | None:
    """Return val with larger labels: of `options.truth`, or of a sibling of the dataset named 256, if it fits.

    Raises InputError if `options.truth` was given and is not of the same val frames and classes.
    """
    folder = options.truth or dataset.folder.absolute().parent / TRUTH_FOLDER
    if folder.absolute() == dataset.folder.absolute() or (
        options.truth is None and not (folder / DATASET_FILE).is_file()
    ):
        return None
    try:
        larger = Dataset(folder)
    except InputError:
        if options.truth is None:  # it merely happens to be there
            return None
        raise
    same = (
        "val" in larger.facts.splits
        and larger.facts.splits["val"].sha256 == dataset.facts.splits["val"].sha256
        and larger.facts.class_names == dataset.facts.class_names
    )
    if same:
        return larger.split("val")
    if options.truth is not None:
        raise InputError(f"{folder}: not the val frames and classes of {dataset.folder}; prepare both from one source")
    return None
