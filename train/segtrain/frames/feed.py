"""The input of a training step: augmented and normalised frames, their labels, and the same frames for a teacher."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from segdata.dataset.dataset import SplitArrays
from segdata.spec import ModelSpec
from segtrain.frames.augment import Augment
from segtrain.frames.batches import Indices, batches, load, normalise, resized
from segtrain.options import TrainOptions


@dataclass(frozen=True)
class Batch:
    """`frames` float [N, 3, H, W] as the network takes them, `labels` int64 [N, h, w] of its coarse logits, and
    `for_teacher` the same frames as the teacher takes them, if there is one.
    """

    frames: Tensor
    labels: Tensor
    for_teacher: Tensor | None


class Feed:
    """The training frames, in batches."""

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
        self.augment = Augment(options.augment)
        self.steps = options.passes * (len(chosen) // options.batch_size)
        self._held = _held_by(fabric.device, split)

    def indices(self, epoch: int) -> Iterator[Indices]:
        """Yield which frames of the split each step of an epoch takes."""
        passes = self.options.passes
        for number in range(epoch * passes, (epoch + 1) * passes):
            for positions in batches(len(self.chosen), self.options.batch_size, self.options.seed, number):
                yield self.chosen[positions]

    def batch(self, indices: Indices) -> Batch:
        """Return this process' share of a step's frames."""
        mine = indices[self.fabric.global_rank :: self.fabric.world_size]
        frames, labels = (
            load(self.split, mine, self.fabric.device) if self._held is None else _chosen(*self._held, mine)
        )
        frames, labels = self.augment(frames / 255, labels)
        return Batch(
            _frames_for(frames, self.spec),
            self._coarse(labels),
            None if self.teacher is None else _frames_for(frames, self.teacher),
        )

    def _coarse(self, labels: Tensor) -> Tensor:
        """Return one label for each pixel of the coarse logits, chosen at random from those it covers.

        A loss on enlarged logits would take longer than all convolutions.
        """
        rows, columns = (
            labels.shape[1] * self.stride // self.spec.height,
            labels.shape[2] * self.stride // self.spec.width,
        )
        row, column = int(torch.randint(rows, ())), int(torch.randint(columns, ()))
        return labels[:, row::rows, column::columns]


def _held_by(device: torch.device, split: SplitArrays) -> tuple[Tensor, Tensor] | None:
    """Return the split's frames and labels in GPU memory if twice their size fits, else None."""
    if device.type != "cuda" or torch.cuda.mem_get_info(device)[0] < 2 * (split.images.nbytes + split.labels.nbytes):
        return None
    return torch.from_numpy(np.array(split.images)).to(device), torch.from_numpy(np.array(split.labels)).to(device)


def _chosen(images: Tensor, labels: Tensor, indices: Indices) -> tuple[Tensor, Tensor]:
    """Return what `load` does, of frames and labels that the device holds already."""
    chosen = torch.from_numpy(indices).to(images.device, non_blocking=True)
    return images[chosen].permute(0, 3, 1, 2).float(), labels[chosen].long()


def _frames_for(frames: Tensor, spec: ModelSpec) -> Tensor:
    """Return frames 0 to 1 as the network of `spec` takes them."""
    return normalise(resized(frames, spec.height, spec.width) * 255, spec)
