"""Random flips, crops, colours, light, blur and noise on batches, the same geometry for frames and labels.

Every frame of a batch goes through the same operations with its own random parameters; frames that are not chosen get
parameters without effect. So no step depends on values computed on the GPU, which never idles. Augmentation libraries
select frames from the batch instead, which took as long as the network.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtrain.options import Augmentation

AREAS = (0.25, 1.0)
"""The share of the frame that a crop covers, and the limit of its change in aspect ratio."""
RATIO = 1.33

COLOURED_SHARE, COLOUR_CHANGE = 0.8, 0.3
BLURRED_SHARE, BLUR_SIGMA = 0.1, (0.1, 1.5)
NOISY_SHARE, NOISE = 0.2, 0.03

_GREY = (0.299, 0.587, 0.114)  # luma weights of red, green and blue (BT.601)


class Augment(nn.Module):
    """Frames float [N, 3, H, W], 0 to 1, and labels int64 [N, H, W] -> the same, augmented.

    `plain`: half are flipped, all are cropped to between a quarter and the whole of the area and enlarged again, most
    change in brightness, contrast and saturation. `strong` adds, for some frames, other light (gamma and gain, down to
    a fifth for dusk and night, up for glare), another white balance, blur or noise. `none` changes nothing. Labels take
    their value from the nearest pixel, never a mean.
    """

    def __init__(self, kind: Augmentation) -> None:
        super().__init__()
        self.kind = kind
        lights = (RandomLight(), RandomBlur(), RandomNoise()) if kind == "strong" else ()
        self.looks = nn.Sequential(RandomColour(), *lights)

    @torch.no_grad()
    def forward(self, frames: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return augmented frames and labels."""
        if self.kind == "none":
            return frames, labels
        grid = F.affine_grid(_crops(len(frames), frames.device), list(frames.shape), align_corners=False)
        frames = F.grid_sample(frames, grid, padding_mode="border", align_corners=False)
        moved = F.grid_sample(labels.float().unsqueeze(1), grid, "nearest", padding_mode="border", align_corners=False)
        return self.looks(frames), moved.squeeze(1).long()


def _crops(count: int, device: torch.device) -> Tensor:
    """Return affine maps float [N, 2, 3] from the whole of the new frame to a part of the old one, half mirrored."""
    area = AREAS[0] + (AREAS[1] - AREAS[0]) * torch.rand(count, device=device)
    ratio = _between(1 / RATIO, RATIO, (count,), device).sqrt()
    width, height = (area.sqrt() * ratio).clamp(max=1), (area.sqrt() / ratio).clamp(max=1)
    x, y = (torch.rand(2, count, device=device) * 2 - 1) * (1 - torch.stack([width, height]))
    mirrored = torch.where(_chosen(0.5, count, device), -width, width)
    nothing = torch.zeros_like(x)
    return torch.stack([torch.stack([mirrored, nothing, x], dim=1), torch.stack([nothing, height, y], dim=1)], dim=1)


class RandomColour(nn.Module):
    """Frames float [N, 3, H, W], 0 to 1 -> most of them with another brightness, contrast and saturation."""

    def forward(self, frames: Tensor) -> Tensor:
        """Return the frames, some changed."""
        count, device = len(frames), frames.device
        factors = 1 + COLOUR_CHANGE * (2 * torch.rand(3, count, 1, 1, 1, device=device) - 1)
        factors = torch.where(_chosen(COLOURED_SHARE, count, device).view(-1, 1, 1, 1), factors, 1.0)
        brightness, contrast, saturation = factors
        weights = torch.tensor(_GREY, device=device).view(1, 3, 1, 1)
        frames = (frames * brightness).clamp(0, 1)
        frames = torch.lerp((frames * weights).sum(dim=1, keepdim=True), frames, saturation)
        return torch.lerp(frames.mean(dim=(1, 2, 3), keepdim=True), frames, contrast).clamp(0, 1)


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
        changed = (frames.clamp(min=1e-4) ** gamma * gain).clamp(0, 1)
        return torch.where(_chosen(self.share, count, device).view(-1, 1, 1, 1), changed, frames)


class RandomBlur(nn.Module):
    """Frames float [N, 3, H, W] -> some of them blurred by a Gaussian of 3x3 pixels."""

    def forward(self, frames: Tensor) -> Tensor:
        """Return the frames, some changed."""
        count, device = len(frames), frames.device
        sigma = BLUR_SIGMA[0] + (BLUR_SIGMA[1] - BLUR_SIGMA[0]) * torch.rand(count, 1, 1, 1, device=device)
        side = torch.exp(-0.5 / sigma**2)
        share = torch.where(_chosen(BLURRED_SHARE, count, device).view(-1, 1, 1, 1), side / (1 + 2 * side), 0.0)
        for axis in (2, 3):
            size = frames.shape[axis]
            around = F.pad(frames, (1, 1, 0, 0) if axis == 3 else (0, 0, 1, 1), mode="replicate")
            both = around.narrow(axis, 0, size) + around.narrow(axis, 2, size)
            frames = frames + share * (both - 2 * frames)
        return frames


class RandomNoise(nn.Module):
    """Frames float [N, 3, H, W], 0 to 1 -> some of them with Gaussian noise."""

    def forward(self, frames: Tensor) -> Tensor:
        """Return the frames, some changed."""
        strength = torch.where(_chosen(NOISY_SHARE, len(frames), frames.device), NOISE, 0.0)
        return torch.addcmul(frames, torch.randn_like(frames), strength.view(-1, 1, 1, 1)).clamp(0, 1)


def _chosen(share: float, count: int, device: torch.device) -> Tensor:
    return torch.rand(count, device=device) < share


def _between(low: float, high: float, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Return numbers uniform in their logarithm."""
    return torch.exp(math.log(low) + math.log(high / low) * torch.rand(shape, device=device))
