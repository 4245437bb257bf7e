"""The UNet family (Ronneberger et al. 2015, arXiv 1505.04597) with batch normalisation and padded convolutions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtrain.network.base import Network


class Conv(nn.Sequential):
    """Convolution, batch normalisation and, unless `relu` is False, ReLU; size is kept at stride 1."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
    ) -> None:
        convolution = nn.Conv2d(
            in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
        )
        super().__init__(convolution, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True) if relu else nn.Identity())


class PlainBlock(nn.Sequential):
    """Two 3x3 convolutions: the block of the original."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(Conv(in_channels, out_channels), Conv(out_channels, out_channels))


class SeparableBlock(nn.Sequential):
    """Two depthwise 3x3 convolutions, each followed by a pointwise one: an eighth of the work (arXiv 1704.04861)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            Conv(in_channels, in_channels, groups=in_channels),
            Conv(in_channels, out_channels, 1),
            Conv(out_channels, out_channels, groups=out_channels),
            Conv(out_channels, out_channels, 1),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a way around them, pointwise where the channels change (arXiv 1512.03385)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(Conv(in_channels, out_channels), Conv(out_channels, out_channels, relu=False))
        changed = in_channels != out_channels
        self.shortcut = Conv(in_channels, out_channels, 1, relu=False) if changed else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return features float [N, out_channels, H, W] of features float [N, in_channels, H, W]."""
        return F.relu(self.convolutions(x) + self.shortcut(x))


BLOCKS = {"plain": PlainBlock, "separable": SeparableBlock, "residual": ResidualBlock}


def upsampling(kind: str, in_channels: int, out_channels: int) -> nn.Module:
    """Return what doubles height and width: learned, or pointwise and copied (faster to train, no checkerboard)."""
    if kind == "transpose":
        return nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel_size=1), nn.Upsample(scale_factor=2))


class UNet(Network):
    """Normalised RGB float [N, 3, H, W] -> logits float [N, class_count, H, W].

    `width` is the channel count of the first level, doubled at each of the `depth` levels below it up to `widest`. With
    `stem_stride` 2 the first level stands at half the size and the logits are enlarged at the end, which costs a
    quarter. H and W must be divisible by stem_stride * 2**depth.
    """

    def __init__(
        self,
        class_count: int,
        width: int = 16,
        depth: int = 4,
        widest: int = 1024,
        block: str = "plain",
        upsample: str = "resize",
        stem_stride: int = 2,
    ) -> None:
        super().__init__()
        channels = [min(width * 2**level, widest) for level in range(depth + 1)]
        make_block = BLOCKS[block]
        levels = range(depth)
        # Separable and residual blocks would make little of three channels: the first convolution is a plain one.
        self.stem = nn.Sequential(Conv(3, channels[0], stride=stem_stride), Conv(channels[0], channels[0]))
        self.pool = nn.MaxPool2d(2)
        self.encoders = nn.ModuleList(make_block(channels[i], channels[i + 1]) for i in levels)
        self.upsamples = nn.ModuleList(upsampling(upsample, channels[i + 1], channels[i]) for i in reversed(levels))
        self.decoders = nn.ModuleList(make_block(2 * channels[i], channels[i]) for i in reversed(levels))
        self.head = nn.Conv2d(channels[0], class_count, kernel_size=1)
        self.stem_stride = stem_stride

    def features(self, x: Tensor) -> Tensor:
        """Return what the head reads: float [N, width, H / stem_stride, W / stem_stride]."""
        x = self.stem(x)  # [N, width, H, W], or half of H and W; so below
        skips: list[Tensor] = []
        for encoder in self.encoders:
            skips.append(x)
            x = encoder(self.pool(x))  # [N, min(width * 2**i, widest), H / 2**i, W / 2**i]
        for upsample, decoder in zip(self.upsamples, self.decoders, strict=True):
            x = upsample(x)  # [N, min(width * 2**i, widest), H / 2**i, W / 2**i]
            x = decoder(torch.cat([skips.pop(), x], dim=1))
        return x
