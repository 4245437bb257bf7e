"""What one training moves (weights, their average, the optimiser), and one epoch of moving it."""

import copy
import math
from dataclasses import dataclass, replace
from itertools import islice
from time import perf_counter

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from segdata.command_line.progress import Progress
from segdata.dataset.dataset import Dataset, SplitArrays
from segdata.errors import EdgeSegError
from segdata.metrics import accuracy
from segdata.spec import ModelSpec
from segtrain.evaluate import EVALUATION_BATCH, average_buffers, count_pairs, evaluate, sum_of_processes
from segtrain.frames.feed import Batch, Feed
from segtrain.history import EpochFigures, advice_after
from segtrain.learning.losses import Objective
from segtrain.learning.optimizer import averaging, learning_rate, optimizer_of
from segtrain.learning.schedule import Clock, Stretch
from segtrain.learning.teacher import Teacher, distillation_loss
from segtrain.network.base import Network
from segtrain.options import TrainOptions
from segtrain.setting import parts_of_train

LOOKING_STEPS = 50  # a look at the loss waits for the GPU, so that it is taken once in so many steps
TIMED_STEPS, UNTIMED_STEPS = 5, 3  # by which `--minutes` learns how fast this machine is


@dataclass(frozen=True)
class Lesson:
    """What a network learns: from `dataset`, by `objective` and, if there is one, `teacher`.

    `source` is train, or the same frames larger where the teacher wants them so.
    """

    options: TrainOptions
    spec: ModelSpec
    dataset: Dataset
    source: SplitArrays
    objective: Objective
    teacher: Teacher | None


class Trainer:
    """The parts that one training moves, and one epoch of moving them."""

    def __init__(self, lesson: Lesson, network: Network, fabric: Fabric) -> None:
        """Take the parts of a run."""
        options, spec, dataset, teacher = lesson.options, lesson.spec, lesson.dataset, lesson.teacher
        self.options, self.spec, self.fabric = options, spec, fabric
        split = dataset.split("train")
        chosen, held = parts_of_train(len(split), options.hold_out)
        self.held_out = split.subset(held) if len(held) else None
        self.judge = dataset.split("val") if self.held_out is None else self.held_out
        # Channels last is 1.5 to 2 times faster for these convolutions on a CPU, and what tensor cores want.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing from torch's own types
        self.network = network
        self.optimizer = optimizer_of(network, options, fabric.device)
        self.module, self.wrapped_optimizer = fabric.setup(network, self.optimizer)
        self.average = AveragedModel(network, multi_avg_fn=averaging(options.average), use_buffers=True)
        self.objective = lesson.objective.to(fabric.device)
        torch.backends.cudnn.benchmark = True  # every step has the same shapes
        self.teacher = None if teacher is None else teacher.to(fabric.device)
        of_teacher = None if teacher is None else teacher.spec
        self.feed = Feed(options, lesson.source, chosen, spec, of_teacher, network.stem_stride, fabric)
        self.steps = self.feed.steps

    def time(self, clock: Clock) -> None:
        """Tell the clock how long an epoch takes here, and the evaluation of the best weights after the last."""
        network = copy.deepcopy(self.network)
        optimizer = optimizer_of(network, self.options, self.fabric.device)
        times = []
        for step in range(UNTIMED_STEPS + TIMED_STEPS):
            begun = perf_counter()
            batch = self.feed.batch(next(self.feed.indices(step)))
            with self.fabric.autocast():
                logits = network(batch.frames, coarse=True)
            self._loss(logits, batch)[0].backward()
            optimizer.step()
            optimizer.zero_grad()
            self._settle()
            times.append(perf_counter() - begun)
        few = self.judge.subset(torch.arange(min(len(self.judge), EVALUATION_BATCH)).numpy())
        begun = perf_counter()
        evaluate(self.fabric, network, few, self.spec)
        evaluation = (perf_counter() - begun) * len(self.judge) / len(few)
        step_seconds = sorted(times[UNTIMED_STEPS:])[TIMED_STEPS // 2]
        clock.per_epoch, clock.besides = step_seconds * self.steps + evaluation, evaluation

    def _settle(self) -> None:
        """Wait for what a GPU was given to do."""
        if self.fabric.device.type == "cuda":
            torch.cuda.synchronize(self.fabric.device)

    def averaged(self) -> Network:
        """Return the network of the averaged weights."""
        network = self.average.module
        assert isinstance(network, Network)
        return network

    def measured(self, figures: EpochFigures) -> ModelSpec:
        """Return the spec with the figures that the weights were chosen by."""
        metrics = {name: getattr(figures, name) for name in ("miou", "miou_official", "pixel_accuracy")}
        return replace(self.spec, metrics=metrics)

    def epoch(self, epoch: int, stretch: Stretch, clock: Clock, progress: Progress) -> EpochFigures:
        """Train for one epoch, number `epoch` from 0, and return its figures with the averaged weights'.

        It ends early where the clock says so, after one step at least.
        """
        # Augmentation draws from torch's generator: from the epoch's own seed, so that a resumed run draws the same.
        torch.manual_seed((self.options.seed * 1_000_003 + epoch) * 1009 + self.fabric.global_rank)
        self.module.train()
        matrix = torch.zeros(self.spec.class_count**2 + 1, dtype=torch.int64, device=self.fabric.device)
        losses: list[Tensor] = []
        looks = 1 if self.fabric.device.type == "cpu" else LOOKING_STEPS
        seen = 0  # of the losses
        shown = math.nan
        busy = 0.0
        begun = perf_counter()
        for step, indices in enumerate(self.feed.indices(epoch)):
            if losses and self._is_over(clock, begun, len(losses)):
                break
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(stretch.at(step, self.steps), group["peak"])
            batch = self.feed.batch(indices)
            started = perf_counter()
            loss, logits = self._step(batch)
            losses.append(loss)
            if step % looks == 0:
                shown = float(loss)
                self._check(losses, seen, epoch)
                seen = len(losses)
            busy += perf_counter() - started
            self.average.update_parameters(self.network)
            count_pairs(matrix, logits, batch.labels, self.spec.class_count)
            images_per_second = len(losses) * self.options.batch_size / (perf_counter() - begun)
            progress.advance(f"epoch {epoch + 1}, loss {shown:.3f}, {images_per_second:.0f} images/s")
        self._check(losses, seen, epoch)
        seconds = perf_counter() - begun
        counts = sum_of_processes(self.fabric, matrix[:-1]).view(self.spec.class_count, -1).cpu().numpy()
        trained = accuracy(counts, self.spec.class_names)
        average_buffers(self.fabric, self.average.module)
        evaluation = evaluate(self.fabric, self.average.module, self.judge, self.spec)
        clock.per_epoch = seconds / len(losses) * self.steps + perf_counter() - begun - seconds
        figures = accuracy(evaluation.matrix, self.spec.class_names)
        return EpochFigures(
            epoch=epoch + 1,
            train_loss=float(torch.stack(losses).double().mean()),
            train_miou=trained.miou,
            train_accuracy=trained.pixel_accuracy,
            val_loss=evaluation.loss,
            miou=figures.miou,
            miou_official=figures.miou_official,
            pixel_accuracy=figures.pixel_accuracy,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            images_per_second=len(losses) * self.options.batch_size / seconds,
            outside_share=1 - busy / seconds,
        )

    def _is_over(self, clock: Clock, begun: float, steps: int) -> bool:
        """Return whether there is no time for one more step after those since `begun`, in all processes alike."""
        if clock.minutes is None:
            return False
        if clock.is_over(LOOKING_STEPS * (perf_counter() - begun) / steps):
            self._settle()  # a GPU may be that many steps behind
        return self.fabric.broadcast(clock.is_over((perf_counter() - begun) / steps))

    def _loss(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss to minimise, by the labels and by the teacher if there is one, and plain cross-entropy."""
        loss, cross_entropy = self.objective(logits, batch.labels)
        if self.teacher is not None:
            with self.fabric.autocast():
                wanted = self.teacher(batch.for_teacher, *logits.shape[2:])
            share = self.options.teacher_share
            loss = (1 - share) * loss + share * distillation_loss(logits, wanted, self.options.temperature)
        return loss, cross_entropy

    def _check(self, losses: list[Tensor], seen: int, epoch: int) -> None:
        """Raise EdgeSegError, naming the frames, if one of the epoch's losses from number `seen` on is no number."""
        for step, loss in enumerate(torch.stack(losses[seen:]).tolist() if losses[seen:] else [], seen):
            if not math.isfinite(loss):
                indices = next(islice(self.feed.indices(epoch), step, None))
                frames = ", ".join(self.feed.split.names[index] for index in indices)
                raise EdgeSegError(
                    f"the loss became {loss} in step {step + 1} of epoch {epoch + 1}, on the frames {frames}; "
                    f"{advice_after(epoch)}, and look at them"
                )

    def _step(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Move the weights once; return plain cross-entropy, the mean of all processes, and the logits."""
        logits = self.module(batch.frames, coarse=True)
        loss, cross_entropy = self._loss(logits, batch)
        self.wrapped_optimizer.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(
            self.module, self.wrapped_optimizer, max_norm=self.options.clip, error_if_nonfinite=False
        )
        self.wrapped_optimizer.step()
        shown = cross_entropy + 0 * loss.detach()  # NaN if either is
        return sum_of_processes(self.fabric, shown) / self.fabric.world_size, logits.detach()
