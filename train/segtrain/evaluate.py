"""Evaluation: the confusion matrix of a split, at the network's size and at that of a larger ground truth."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from segdata.dataset.dataset import SplitArrays
from segdata.labels import IGNORE_INDEX
from segdata.metrics import Matrix, confusion_matrix
from segdata.spec import ModelSpec
from segtrain.frames.batches import load, normalise

EVALUATION_BATCH = 25
SCORED_STRIDE = 4  # mIoU of train is read off every 4th row and column: it costs next to nothing so


@dataclass(frozen=True)
class Evaluation:
    """`loss` is cross-entropy in nats a pixel, `matrix` int64 [C, C] is at the network's size, `truth_matrix` at the
    size of the larger truth, with the logits enlarged to it (None without one).
    """

    loss: float
    matrix: Matrix
    truth_matrix: Matrix | None = None


@torch.no_grad()
def evaluate(
    fabric: Fabric,
    network: nn.Module,
    split: SplitArrays,
    spec: ModelSpec,
    truth: SplitArrays | None = None,
) -> Evaluation:
    """Return the figures of `network` on a split; `truth` has the same frames with larger labels.

    With several processes each evaluates a share of the frames, and all get the total.
    """
    was_training = network.training
    network.eval()
    count = spec.class_count
    sums = torch.zeros(2, dtype=torch.float64, device=fabric.device)  # loss, pixels
    matrices = np.zeros((2, count, count), dtype=np.int64)
    shares = np.arange(len(split))[fabric.global_rank :: fabric.world_size]
    for start in range(0, len(shares), EVALUATION_BATCH):
        indices = shares[start : start + EVALUATION_BATCH]
        frames, labels = load(split, indices, fabric.device)
        with fabric.autocast():
            logits = network(normalise(frames, spec))
        logits = logits.float()
        sums[0] += F.cross_entropy(logits, labels, ignore_index=IGNORE_INDEX, reduction="sum")
        sums[1] += (labels != IGNORE_INDEX).sum()
        matrices[0] += _matrix(split, indices, logits, count)
        if truth is not None:
            enlarged = F.interpolate(logits, size=truth.labels.shape[1:], mode="bilinear")
            matrices[1] += _matrix(truth, indices, enlarged, count)
    network.train(was_training)
    own, larger = sum_of_processes(fabric, torch.from_numpy(matrices).to(fabric.device)).cpu().numpy()
    sums = sum_of_processes(fabric, sums)
    return Evaluation(float(sums[0] / sums[1].clamp(min=1)), own, larger if truth is not None else None)


def sum_of_processes(fabric: Fabric, values: Tensor) -> Tensor:
    """Return the sum of every process' `values`, in each of them."""
    total = fabric.all_reduce(values, reduce_op="sum")
    assert isinstance(total, Tensor)  # Fabric's annotations are wider
    return total


@torch.no_grad()
def average_buffers(fabric: Fabric, network: nn.Module) -> None:
    """Average the buffers over all processes: batch normalisation saw different frames in each."""
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.copy_(sum_of_processes(fabric, buffer.clone()) / fabric.world_size)


@torch.no_grad()
def count_pairs(counts: Tensor, logits: Tensor, labels: Tensor, class_count: int) -> None:
    """Count how often each (truth, prediction) occurs, on every `SCORED_STRIDE`th row and column.

    `counts` is int64 [C * C + 1]; the last one is for what no label was given to.
    """
    prediction = logits[..., ::SCORED_STRIDE, ::SCORED_STRIDE].argmax(dim=1)
    truth = labels[..., ::SCORED_STRIDE, ::SCORED_STRIDE]
    pairs = torch.where(truth == IGNORE_INDEX, class_count**2, truth * class_count + prediction).flatten()
    counts.index_add_(0, pairs, torch.ones_like(pairs))


def _matrix(split: SplitArrays, indices: np.ndarray, logits: Tensor, class_count: int) -> Matrix:
    prediction = logits.argmax(dim=1).to(torch.uint8).cpu().numpy()
    return confusion_matrix(split.labels[indices], prediction, class_count)
