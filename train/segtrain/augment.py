"""Random flips, crops, colours, blur and noise on batches, the same geometry for frames and labels."""

import kornia.augmentation as augmentation
import torch
from kornia.constants import DataKey, Resample
from torch import Tensor, nn

from segdata.labels import IGNORE_INDEX


class Augment(nn.Module):
    """Frames float [N, 3, H, W], 0 to 1, and labels int64 [N, H, W] -> the same, seen differently.

    Half are flipped, all are cropped to between a third and the whole of the area and enlarged again, most are
    changed in brightness, contrast and saturation, and some are blurred or noisy. Labels take their value from the
    nearest pixel, never a mean.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.steps = augmentation.AugmentationSequential(
            augmentation.RandomHorizontalFlip(p=0.5),
            augmentation.RandomResizedCrop((height, width), scale=(0.33, 1.0), ratio=(0.75, 1.33), p=1.0),
            augmentation.ColorJiggle(brightness=0.3, contrast=0.3, saturation=0.3, p=0.8),
            augmentation.RandomGaussianBlur(kernel_size=(3, 3), sigma=(0.1, 1.5), p=0.2),
            augmentation.RandomGaussianNoise(std=0.03, p=0.2),
            data_keys=[DataKey.INPUT, DataKey.MASK],
            extra_args={DataKey.MASK: {"resample": Resample.NEAREST, "align_corners": None}},
        )

    @torch.no_grad()
    def forward(self, frames: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return augmented frames and labels."""
        # Kornia pads nothing here, but interpolates masks as float: shift by one so that a hole would show as ignore.
        mask = (labels.float() + 1).unsqueeze(1)  # [N, 1, H, W]
        frames, mask = self.steps(frames, mask)
        labels = mask.squeeze(1).round().long() - 1
        return frames.clamp(0, 1), torch.where(labels < 0, IGNORE_INDEX, labels)
