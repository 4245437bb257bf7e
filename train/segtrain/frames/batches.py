"""Frames and labels on their way from a dataset to the network."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from segdata.dataset.dataset import SplitArrays
from segdata.spec import ModelSpec

Indices = npt.NDArray[np.int64]


def batches(count: int, batch_size: int, seed: int, epoch: int) -> Iterator[Indices]:
    """Yield the frames of each step of an epoch, in an order that depends on seed and epoch alone.

    An incomplete last batch is dropped: the next epoch has another order.
    """
    order = np.random.default_rng((seed, epoch)).permutation(count)
    for start in range(0, count - batch_size + 1, batch_size):
        yield np.sort(order[start : start + batch_size])


def load(split: SplitArrays, indices: Indices, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return frames float32 [N, 3, H, W], 0 to 255, and labels int64 [N, H, W], on `device`."""
    frames = torch.from_numpy(split.images[indices]).to(device).permute(0, 3, 1, 2).float()
    return frames, torch.from_numpy(split.labels[indices]).to(device).long()


def normalise(frames: Tensor, spec: ModelSpec) -> Tensor:
    """Return (frames - mean) / std, float32 [N, 3, H, W], channels last in memory, of frames 0 to 255."""
    mean, std = (torch.tensor(values, device=frames.device).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
    return ((frames - mean) / std).contiguous(memory_format=torch.channels_last)


def resized(values: Tensor, height: int, width: int) -> Tensor:
    """Return `values` float [N, K, H, W] at height and width: area means when shrinking, bilinear when enlarging."""
    if values.shape[2:] == (height, width):
        return values
    if values.shape[2] >= height and values.shape[3] >= width:
        return F.interpolate(values, size=(height, width), mode="area")
    return F.interpolate(values, size=(height, width), mode="bilinear")
