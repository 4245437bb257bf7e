"""The training loop: dataset -> a run's folder with the weights that had the best mIoU on val."""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from lightning_fabric import seed_everything

from segdata.command_line.progress import SILENT, Progress
from segdata.dataset.coverage import dataset_remarks
from segdata.dataset.dataset import Dataset
from segdata.errors import EdgeSegError
from segdata.metrics import accuracy
from segdata.spec import ModelSpec
from segtrain.evaluate import Evaluation, evaluate
from segtrain.history import EpochFigures, advice_after, best_of, overfits, write_history
from segtrain.launch import launch
from segtrain.learning.balance import UNDONE, undo_balance
from segtrain.learning.losses import Objective
from segtrain.learning.schedule import Clock, next_stretch
from segtrain.learning.teacher import Teacher
from segtrain.network.base import Network
from segtrain.network.checkpoint import build_network, load_checkpoint, save_checkpoint, start_from
from segtrain.network.lite_unet import LiteUNet
from segtrain.network.pretrained import credit_of, load_pretrained, weights_file
from segtrain.options import TrainOptions
from segtrain.setting import check_run, find_truth, settings_of, source_for, spec_for
from segtrain.state import Position, load_state, read_position, save_state
from segtrain.trainer import Lesson, Trainer


class Events(Protocol):
    """What the loop tells between its steps, in the first of several processes."""

    def planned(self, spec: ModelSpec, epochs: int) -> None:
        """Before each epoch: the network, and the number of epochs, which --minutes plans again."""

    def scored(self, history: list[EpochFigures]) -> None:
        """After each epoch, when its weights are on disk."""

    def warned(self, line: str) -> None:
        """A line for the person."""


@dataclass(frozen=True)
class Outcome:
    """What a training left: the checkpoint with the best mIoU on val, its figures, and every epoch's.

    `first` is True in the process that writes: of several, one.
    """

    best: Path
    spec: ModelSpec
    evaluation: Evaluation
    history: list[EpochFigures]
    first: bool


def train(options: TrainOptions, dataset: Dataset, progress: Progress, events: Events) -> Outcome:
    """Train, and write `best.safetensors`, `last.safetensors` and `metrics.csv` into the run's folder.

    `progress` counts steps.

    Raises InputError if the options do not fit the dataset or the folder holds another run, EdgeSegError if the loss
    stops being a number; the last good weights stay.
    """
    clock = Clock(options.minutes)
    folder = check_run(options, dataset)
    best_file, last_file = folder / "best.safetensors", folder / "last.safetensors"
    spec = spec_for(options, dataset)
    position = read_position(last_file) if options.resume else None
    settings = settings_of(options, dataset, position)
    measures = options.precision == "auto"
    if position and position.precision and measures:  # measured again, another might win by a hair
        options = replace(options, precision=position.precision)
    seed_everything(options.seed, verbose=False)
    network = build_network(spec)
    spec = _begin(options, network, spec, position)
    objective = Objective(dataset.facts.splits["train"].class_pixels, options.class_balance, options.region_loss)
    teacher = None if options.teacher is None else Teacher(options.teacher, spec, objective.weights)
    source = source_for(options, dataset, None if teacher is None else teacher.spec)
    lesson = Lesson(options, spec, dataset, source, objective, teacher)
    fabric, precision = launch(lesson, network, events.warned)
    trainer = Trainer(lesson, network, fabric)
    if position:
        load_state(last_file, network, trainer.average, trainer.optimizer)
    history = position.history if position else []
    done = position.done if position else 0.0
    if teacher is not None and measures and fabric.device.type == "cpu" and done < 1:
        teacher.settle_on_cpu()
    if options.minutes is not None and done < 1:
        trainer.time(clock)
        clock.check()
    tell = fabric.is_global_zero
    for line in dataset_remarks(dataset.facts) if tell else []:
        events.warned(line)
    warned = overfits(history)
    while done < 1:
        epoch, best = len(history), best_of(history)
        if options.patience is not None and best is not None and epoch - best.epoch >= options.patience:
            break
        left = (position.epochs if position else options.epochs) - epoch
        if options.minutes is not None:
            left = fabric.broadcast(max(1, clock.epochs_left()))
        if tell:
            events.planned(spec, epoch + left)
            progress.start(trainer.steps * (epoch + left), trainer.steps * epoch)
        stretch = next_stretch(done, left)
        history.append(_finite(trainer.epoch(epoch, stretch, clock, progress if tell else SILENT)))
        done = stretch.end
        best = best_of(history)
        if tell:
            if best is history[-1]:
                save_checkpoint(best_file, trainer.averaged(), trainer.measured(history[-1]))
            write_history(folder / "metrics.csv", history)
            reached = Position(settings, epoch + left, history, done, spec.pretrained, precision)
            # Last: a run that ends before it does this epoch again.
            save_state(last_file, network, trainer.average, trainer.optimizer, reached)
            events.scored(history)
            if overfits(history) and not warned:
                events.warned(
                    f"overfitting: the loss on held-out frames was lowest in epoch "
                    f"{min(history, key=lambda row: row.val_loss).epoch} and rises while train's falls; the best "
                    "weights are kept. More frames, --augment strong or a smaller --arch help."
                )
                warned = True
    if best_of(history) is None:
        raise EdgeSegError("val has no labelled pixel, so no epoch is better than another; label some frames of val")
    fabric.barrier()
    best_spec, evaluation = _finish(best_file, dataset, trainer)
    if torch.distributed.is_initialized():
        fabric.barrier()
        if fabric.is_global_zero:  # left to the end of the interpreter, its threads sometimes abort the process
            torch.distributed.destroy_process_group()
    return Outcome(best_file, best_spec, evaluation, history, tell)


def _finish(best_file: Path, dataset: Dataset, trainer: Trainer) -> tuple[ModelSpec, Evaluation]:
    """Undo the balance of the best weights and write their figures; of a run that was finished before, only evaluate.

    Returns the spec that the weights have then, and their evaluation on val.
    """
    options, fabric, spec = trainer.options, trainer.fabric, trainer.spec
    network, best_spec = load_checkpoint(best_file)
    network.to(fabric.device)
    finished = UNDONE in (best_spec.metrics or {})
    share = 0.0
    if not finished and options.class_balance > 0:
        share = undo_balance(
            fabric, network, trainer.held_out or dataset.split("train"), spec, trainer.objective.weights
        )
    evaluation = evaluate(fabric, network, dataset.split("val"), spec, find_truth(options, dataset))
    if not finished:
        figures = accuracy(evaluation.matrix, spec.class_names)
        best_spec = replace(spec, metrics={**asdict(figures), UNDONE: share})
        fabric.barrier()  # every process has read the file
        if fabric.is_global_zero:
            save_checkpoint(best_file, network, best_spec)
    return best_spec, evaluation


def _begin(options: TrainOptions, network: Network, spec: ModelSpec, resumed: Position | None) -> ModelSpec:
    """Put the weights to start from into `network`, unless a run goes on; return the spec, which names them."""
    if resumed is not None:
        return replace(spec, pretrained=resumed.pretrained)
    if options.init is not None:
        return start_from(options.init, network, spec)
    if isinstance(network, LiteUNet):
        assert options.encoder is not None
        load_pretrained(weights_file(options.encoder), network.encoder, spec)
        return replace(spec, pretrained=credit_of(options.encoder))
    return spec


def _finite(figures: EpochFigures) -> EpochFigures:
    """Return the figures; raise EdgeSegError if the last step of the epoch broke the weights."""
    if not math.isfinite(figures.val_loss):
        raise EdgeSegError(
            f"the loss on val became {figures.val_loss} after epoch {figures.epoch}; {advice_after(figures.epoch - 1)}"
        )
    return figures
