"""Random flips, crops, colours, light, blur and noise on batches, the same geometry for frames and labels."""

import kornia.augmentation as augmentation
import torch
from kornia.constants import DataKey, Resample
from torch import Tensor, nn

from segdata.labels import IGNORE_INDEX
from segtrain.options import Augmentation


class Augment(nn.Module):
    """Frames float [N, 3, H, W], 0 to 1, and labels int64 [N, H, W] -> the same, seen differently.

    `plain`: half are flipped, all are cropped to between a quarter and the whole of the area and enlarged again, most
    are changed in brightness, contrast and saturation. `strong`, besides: some get another light (gamma and gain, down
    to a fifth: dusk and night; and up: glare), another white balance, blur or noise. `none` changes nothing. Labels
    take their value from the nearest pixel, never a mean.
    """

    def __init__(self, height: int, width: int, kind: Augmentation) -> None:
        super().__init__()
        if kind == "none":
            self.steps = None
            return
        geometry = (
            augmentation.RandomHorizontalFlip(p=0.5),
            augmentation.RandomResizedCrop((height, width), scale=(0.25, 1.0), ratio=(0.75, 1.33), p=1.0),
        )
        colours = (augmentation.ColorJiggle(brightness=0.3, contrast=0.3, saturation=0.3, p=0.8),)
        lights = (
            RandomLight(),
            augmentation.RandomGaussianBlur(kernel_size=(3, 3), sigma=(0.1, 1.5), p=0.1),
            augmentation.RandomGaussianNoise(std=0.03, p=0.2),
        )
        self.steps = augmentation.AugmentationSequential(
            *geometry,
            *colours,
            data_keys=[DataKey.INPUT, DataKey.MASK],
            extra_args={DataKey.MASK: {"resample": Resample.NEAREST, "align_corners": None}},
        )
        self.lights = nn.Sequential(*(lights if kind == "strong" else ()))

    @torch.no_grad()
    def forward(self, frames: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return augmented frames and labels."""
        if self.steps is None:
            return frames, labels
        # Kornia pads nothing here, but interpolates masks as float: shift by one so that a hole would show as ignore.
        mask = (labels.float() + 1).unsqueeze(1)  # [N, 1, H, W]
        frames, mask = self.steps(frames, mask)
        labels = mask.squeeze(1).round().long() - 1
        frames = self.lights(frames.clamp(0, 1)).clamp(0, 1)
        return frames, torch.where(labels < 0, IGNORE_INDEX, labels)


class RandomLight(nn.Module):
    """Frames float [N, 3, H, W], 0 to 1 -> three tenths of them in another light.

    Gamma between 1/1.5 and 2.5, gain between 0.2 and 1.3 and up to 15 % more or less of each colour, all uniform in
    the logarithm: light multiplies.
    """

    share = 0.3

    def forward(self, frames: Tensor) -> Tensor:
        """Return the frames, some changed."""
        count, device = len(frames), frames.device
        gamma = _between(1 / 1.5, 2.5, (count, 1, 1, 1), device)
        gain = _between(0.2, 1.3, (count, 1, 1, 1), device) * _between(1 / 1.15, 1.15, (count, 3, 1, 1), device)
        chosen = torch.rand(count, device=device) < self.share
        changed = frames[chosen].clamp(min=1e-4) ** gamma[chosen] * gain[chosen]
        return frames.index_put((chosen,), changed.clamp(0, 1))


def _between(low: float, high: float, shape: tuple[int, ...], device: torch.device) -> Tensor:
    logarithms = torch.log(torch.tensor([low, high], device=device))
    return torch.exp(logarithms[0] + (logarithms[1] - logarithms[0]) * torch.rand(shape, device=device))
