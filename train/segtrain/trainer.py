"""What one training moves (weights, their average, the optimiser), and one epoch of moving it."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from segdata.dataset import Dataset
from segdata.errors import EdgeSegError
from segdata.labels import IGNORE_INDEX
from segdata.metrics import accuracy
from segdata.spec import ModelSpec
from segtrain.augment import Augment
from segtrain.batches import Indices, batches, load, normalise
from segtrain.evaluate import EVALUATION_BATCH, average_buffers, evaluate, sum_of_processes
from segtrain.history import EpochFigures, way_on
from segtrain.losses import Objective
from segtrain.network import Network
from segtrain.options import TrainOptions
from segtrain.schedule import epochs_in, learning_rate
from segtrain.setting import parts_of_train

_Tensors = tuple[Tensor, ...] | list[Tensor]

SCORED_STRIDE = 4  # mIoU of train is read off every 4th row and column: it costs next to nothing so
TIMED_STEPS, UNTIMED_STEPS = 5, 3  # by which `--minutes` learns how fast this machine is


class Trainer:
    """The parts that one training moves, and one epoch of moving them."""

    def __init__(
        self,
        options: TrainOptions,
        dataset: Dataset,
        spec: ModelSpec,
        fabric: Fabric,
        network: Network,
        objective: Objective,
    ) -> None:
        self.options, self.spec, self.fabric = options, spec, fabric
        self.split = dataset.split("train")
        self.frames, held = parts_of_train(len(self.split), options.hold_out)
        self.held_out = self.split.subset(held) if len(held) else None
        self.judge = dataset.split("val") if self.held_out is None else self.held_out
        self.steps = len(self.frames) // options.batch_size
        # Channels last is 1.5 to 2 times faster for these convolutions on a CPU, and what tensor cores want.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing from torch's own types
        self.network = network
        self.optimizer = _optimizer(network, options)
        self.module, self.wrapped_optimizer = fabric.setup(network, self.optimizer)
        self.average = AveragedModel(network, multi_avg_fn=_averaging(options.average), use_buffers=True)
        self.augment = Augment(spec.height, spec.width, options.augment).to(fabric.device)
        self.objective = objective.to(fabric.device)

    def epochs(self) -> int:
        """Return how many epochs to train: as asked, or what fits into the minutes asked for."""
        if self.options.minutes is None:
            return self.options.epochs
        started = perf_counter()
        network = copy.deepcopy(self.network)
        optimizer = _optimizer(network, self.options)
        times = []
        for step in range(UNTIMED_STEPS + TIMED_STEPS):
            begun = perf_counter()
            frames, labels = self._batch(next(self._batches(step)))
            with self.fabric.autocast():
                logits, labels = self._coarse(network, frames, labels)
            self.objective(logits, labels)[0].backward()
            optimizer.step()
            optimizer.zero_grad()
            times.append(perf_counter() - begun)
        few = self.judge.subset(torch.arange(min(len(self.judge), EVALUATION_BATCH)).numpy())
        begun = perf_counter()
        evaluate(self.fabric, network, few, self.spec)
        evaluation = (perf_counter() - begun) * len(self.judge) / len(few)
        step_seconds = sorted(times[UNTIMED_STEPS:])[TIMED_STEPS // 2]
        spent = perf_counter() - started + evaluation  # the best weights are evaluated once more
        return epochs_in(self.options.minutes, spent, step_seconds * self.steps + evaluation)

    def averaged(self) -> Network:
        """Return the network of the averaged weights."""
        network = self.average.module
        assert isinstance(network, Network)
        return network

    def measured(self, figures: EpochFigures) -> ModelSpec:
        """Return the spec with the figures that the weights were chosen by."""
        metrics = {name: getattr(figures, name) for name in ("miou", "miou_official", "pixel_accuracy")}
        return replace(self.spec, metrics=metrics)

    def epoch(self, epoch: int, epochs: int, on_step: Callable[[float, float], None] | None) -> EpochFigures:
        """Train for one epoch, number `epoch` from 0, and return its figures with the averaged weights'."""
        # Augmentation draws from torch's generator: from the epoch's own seed, so that a resumed run draws the same.
        torch.manual_seed((self.options.seed * 1_000_003 + epoch) * 1009 + self.fabric.global_rank)
        self.module.train()
        matrix = torch.zeros(self.spec.class_count**2, dtype=torch.int64, device=self.fabric.device)
        losses: list[float] = []
        busy = 0.0
        begun = perf_counter()
        for step, indices in enumerate(self._batches(epoch)):
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(epoch * self.steps + step, epochs * self.steps, group["peak"])
            frames, labels = self._batch(indices)
            started = perf_counter()
            loss, logits, labels = self._step(frames, labels)
            losses.append(loss)
            busy += perf_counter() - started
            if not math.isfinite(loss):
                raise EdgeSegError(
                    f"the loss became {loss} in step {step + 1} of epoch {epoch + 1}, on the frames "
                    f"{', '.join(self.split.names[index] for index in indices)}; {way_on(epoch)}, and look at them"
                )
            self.average.update_parameters(self.network)
            matrix += _pairs(logits, labels, self.spec.class_count)
            if on_step is not None:
                on_step(loss, len(losses) * self.options.batch_size / (perf_counter() - begun))
        seconds = perf_counter() - begun
        counts = sum_of_processes(self.fabric, matrix).view(self.spec.class_count, -1).cpu().numpy()
        trained = accuracy(counts, self.spec.class_names)
        average_buffers(self.fabric, self.average.module)
        evaluation = evaluate(self.fabric, self.average.module, self.judge, self.spec)
        figures = accuracy(evaluation.matrix, self.spec.class_names)
        return EpochFigures(
            epoch=epoch + 1,
            train_loss=sum(losses) / len(losses),
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

    def _batches(self, epoch: int) -> Iterator[Indices]:
        """Yield the frames of each step of an epoch."""
        for indices in batches(len(self.frames), self.options.batch_size, self.options.seed, epoch):
            yield self.frames[indices]

    def _batch(self, indices: Indices) -> tuple[Tensor, Tensor]:
        """Return this process' share of a step's frames, augmented and normalised, and their labels."""
        mine = indices[self.fabric.global_rank :: self.fabric.world_size]
        frames, labels = load(self.split, mine, self.fabric.device)
        frames, labels = self.augment(frames / 255, labels)
        return normalise(frames * 255, self.spec), labels

    def _coarse(self, network: nn.Module, frames: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits at the size of the network's first level, and labels of as many pixels.

        At stem stride 2 that is one label of each 2x2, at random which: the loss of enlarged logits takes longer than
        all convolutions.
        """
        stride = self.network.stem_stride
        row, column = torch.randint(stride, (2,)).tolist()
        return network(frames, coarse=True), labels[:, row::stride, column::stride]

    def _step(self, frames: Tensor, labels: Tensor) -> tuple[float, Tensor, Tensor]:
        """Move the weights once; return plain cross-entropy, the mean of all processes, logits and their labels."""
        logits, labels = self._coarse(self.module, frames, labels)
        loss, cross_entropy = self.objective(logits, labels)
        self.wrapped_optimizer.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(
            self.module, self.wrapped_optimizer, max_norm=self.options.clip, error_if_nonfinite=False
        )
        self.wrapped_optimizer.step()
        shown = cross_entropy + 0 * loss.detach()  # no number if either is none
        return float(sum_of_processes(self.fabric, shown)) / self.fabric.world_size, logits.detach(), labels


def _averaging(decay: float) -> Callable[[_Tensors, _Tensors, Tensor | int], None]:
    """Return an exponential moving average that forgets its beginning: the decay rises to `decay` as steps are done."""

    @torch.no_grad()
    def average(averaged: _Tensors, current: _Tensors, done: Tensor | int) -> None:
        share = 1 - min(decay, (1 + int(done)) / (10 + int(done)))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, share)
        else:  # how many batches batch normalisation has seen
            torch._foreach_copy_(averaged, current)

    return average


def _optimizer(network: Network, options: TrainOptions) -> torch.optim.Optimizer:
    """Return AdamW that decays kernels and leaves biases and batch normalisation alone.

    Each group's `peak` is the highest rate it learns at: lower for what may have started from another net's weights.
    """
    groups = []
    for begun, peak in ((False, options.learning_rate), (True, options.encoder_learning_rate)):
        parameters = [
            parameter
            for name, parameter in network.named_parameters()
            if (name.partition(".")[0] in network.pretrained) == begun
        ]
        kernels = [parameter for parameter in parameters if parameter.ndim > 1]
        vectors = [parameter for parameter in parameters if parameter.ndim <= 1]
        groups += [
            {"params": kernels, "peak": peak, "weight_decay": options.weight_decay},
            {"params": vectors, "peak": peak, "weight_decay": 0.0},
        ]
    return torch.optim.AdamW([group for group in groups if group["params"]], options.learning_rate)


def _pairs(logits: Tensor, labels: Tensor, class_count: int) -> Tensor:
    """Return how often each (truth, prediction) occurs, int64 [C * C], on every `SCORED_STRIDE`th row and column."""
    prediction = logits[..., ::SCORED_STRIDE, ::SCORED_STRIDE].argmax(dim=1)
    truth = labels[..., ::SCORED_STRIDE, ::SCORED_STRIDE]
    kept = truth != IGNORE_INDEX
    return torch.bincount(truth[kept] * class_count + prediction[kept], minlength=class_count**2)
