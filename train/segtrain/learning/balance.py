"""The class balance: rare classes weigh more in training, part of which is undone after it.

Balanced training predicts classes as if they were as common as their weights say; subtracting a share of the log
weights from the logits moves the predictions back towards the true frequencies (Menon et al. 2021, arXiv 2007.07314).
"""

from collections.abc import Sequence

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from segdata.dataset.dataset import SplitArrays
from segdata.metrics import confusion_matrix, mean_iou
from segdata.spec import ModelSpec
from segtrain.frames.batches import load, normalise
from segtrain.network.base import Network

RAREST_SHARE = 1e-4
"""Classes with a smaller share of the pixels weigh no more than this one: else a few pixels would dominate."""

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The shares of the balance to try."""

FRAMES = 200
"""How many training frames, evenly spread, choose the share; val does not."""

UNDONE = "undone_balance"
"""The metric that records by which share of the class balance a checkpoint's head was shifted."""

_BATCH = 20


def class_weights(class_pixels: Sequence[int], exponent: float) -> Tensor:
    """Return a weight per class, float32 [C]: (1 / share of pixels) ** `exponent`, of mean 1 over all pixels.

    An exponent of 0 weighs every pixel alike, 1 every class.
    """
    pixels = torch.tensor(class_pixels, dtype=torch.float64)
    share = pixels / pixels.sum().clamp(min=1)
    weights = share.clamp(min=RAREST_SHARE) ** -exponent
    return (weights / (weights * share).sum().clamp(min=1e-12)).float()


@torch.no_grad()
def undo_balance(fabric: Fabric, network: Network, split: SplitArrays, spec: ModelSpec, weights: Tensor) -> float:
    """Shift the bias of the head by the share of `SHARES` that gives the best mIoU on `split`, and return the share.

    `weights` are the class weights, float32 [C], that `network` was trained with.
    """
    network.eval()
    logarithms = weights.log().to(fabric.device)
    matrices = np.zeros((len(SHARES), spec.class_count, spec.class_count), dtype=np.int64)
    indices = split.spread(FRAMES)
    for start in range(0, len(indices), _BATCH):
        chosen = indices[start : start + _BATCH]
        frames, _ = load(split, chosen, fabric.device)
        with fabric.autocast():
            logits = network(normalise(frames, spec))
        for matrix, share in zip(matrices, SHARES, strict=True):
            prediction = (logits.float() - share * logarithms.view(1, -1, 1, 1)).argmax(dim=1)
            matrix += confusion_matrix(split.labels[chosen], prediction.to(torch.uint8).cpu().numpy(), spec.class_count)
    best = int(np.nanargmax([mean_iou(matrix) for matrix in matrices]))
    assert network.head.bias is not None
    network.head.bias -= SHARES[best] * logarithms
    return SHARES[best]
