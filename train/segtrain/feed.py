"""What a step of training gets: frames augmented and normalised, their labels, and the same frames for a teacher."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor

from segdata.dataset import SplitArrays
from segdata.spec import ModelSpec
from segtrain.augment import Augment
from segtrain.batches import Indices, batches, load, normalise
from segtrain.options import TrainOptions
from segtrain.teacher import resized


@dataclass(frozen=True)
class Batch:
    """`frames` float [N, 3, H, W] as the network takes them, `labels` int64 [N, h, w] of its coarse logits, and
    `for_teacher` the same frames as the teacher takes them, if there is one.
    """

    frames: Tensor
    labels: Tensor
    for_teacher: Tensor | None


class Feed:
    """The frames of train that are trained on, in batches."""

    def __init__(
        self,
        options: TrainOptions,
        split: SplitArrays,
        chosen: Indices,
        spec: ModelSpec,
        teacher: ModelSpec | None,
        stride: int,
        fabric: Fabric,
    ) -> None:
        """Take `chosen` frames of `split`, whose frames are as large as the network's and the teacher's, or larger.

        `stride` is that of the network's coarse logits.
        """
        self.options, self.split, self.chosen, self.fabric = options, split, chosen, fabric
        self.spec, self.teacher, self.stride = spec, teacher, stride
        height, width = split.labels.shape[1:]
        self.augment = Augment(height, width, options.augment).to(fabric.device)
        self.steps = len(chosen) // options.batch_size

    def indices(self, epoch: int) -> Iterator[Indices]:
        """Yield which frames of the split each step of an epoch takes."""
        for positions in batches(len(self.chosen), self.options.batch_size, self.options.seed, epoch):
            yield self.chosen[positions]

    def batch(self, indices: Indices) -> Batch:
        """Return this process' share of a step's frames."""
        mine = indices[self.fabric.global_rank :: self.fabric.world_size]
        frames, labels = load(self.split, mine, self.fabric.device)
        frames, labels = self.augment(frames / 255, labels)
        return Batch(
            _frames_for(frames, self.spec),
            self._coarse(labels),
            None if self.teacher is None else _frames_for(frames, self.teacher),
        )

    def _coarse(self, labels: Tensor) -> Tensor:
        """Return one label for each pixel of the coarse logits, at random which of those it covers.

        The loss of enlarged logits would take longer than all convolutions.
        """
        rows, columns = (
            labels.shape[1] * self.stride // self.spec.height,
            labels.shape[2] * self.stride // self.spec.width,
        )
        row, column = int(torch.randint(rows, ())), int(torch.randint(columns, ()))
        return labels[:, row::rows, column::columns]


def _frames_for(frames: Tensor, spec: ModelSpec) -> Tensor:
    """Return frames 0 to 1 as the network of `spec` takes them."""
    return normalise(resized(frames, spec.height, spec.width) * 255, spec)
