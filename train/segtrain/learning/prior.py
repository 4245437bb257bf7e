"""Undoes part of the class balance: training overweights rare classes, which are then predicted too large.

Balanced training predicts classes as if they were as common as their weights say; subtracting a share of the log
weights from the logits moves the predictions back towards the true frequencies (Menon et al. 2021, arXiv 2007.07314).
"""

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from segdata.dataset import SplitArrays
from segdata.metrics import confusion_matrix, mean_iou
from segdata.spec import ModelSpec
from segtrain.frames.batches import load, normalise
from segtrain.network.base import Network

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The shares of the balance to try."""

FRAMES = 200
"""How many training frames, evenly spread, choose the share; val does not."""

_BATCH = 20


@torch.no_grad()
def undo_balance(fabric: Fabric, network: Network, split: SplitArrays, spec: ModelSpec, weights: Tensor) -> float:
    """Shift the bias of the head by the share of `SHARES` that gives the best mIoU on `split`, and return the share.

    `weights` are the class weights, float32 [C], that `network` was trained with.
    """
    network.eval()
    logarithms = weights.log().to(fabric.device)
    matrices = np.zeros((len(SHARES), spec.class_count, spec.class_count), dtype=np.int64)
    indices = np.unique(np.linspace(0, len(split) - 1, min(FRAMES, len(split))).round().astype(np.int64))
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
