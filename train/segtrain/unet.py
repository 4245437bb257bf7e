"""The UNet (Ronneberger et al. 2015, arXiv 1505.04597) with batch normalisation and padded convolutions."""

import torch
from torch import Tensor, nn


class ConvBlock(nn.Sequential):
    """Two 3x3 convolutions, each followed by batch normalisation and ReLU; size is kept."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(*_conv_bn_relu(in_channels, out_channels), *_conv_bn_relu(out_channels, out_channels))


def _conv_bn_relu(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)


class UNet(nn.Module):
    """Normalised RGB float [N, 3, H, W] -> logits float [N, class_count, H, W].

    `width` is the channel count of the first level, doubled at each of the `depth` levels below it.
    H and W must be divisible by 2**depth.
    """

    def __init__(self, class_count: int, width: int = 16, depth: int = 4) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(depth + 1)]
        self.stem = ConvBlock(3, channels[0])
        self.pool = nn.MaxPool2d(2)
        self.encoders = nn.ModuleList(ConvBlock(channels[i], channels[i + 1]) for i in range(depth))
        self.upsamples = nn.ModuleList(
            nn.ConvTranspose2d(channels[i + 1], channels[i], kernel_size=2, stride=2) for i in reversed(range(depth))
        )
        self.decoders = nn.ModuleList(ConvBlock(2 * channels[i], channels[i]) for i in reversed(range(depth)))
        self.head = nn.Conv2d(channels[0], class_count, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of normalised frames."""
        x = self.stem(x)  # [N, width, H, W]
        skips: list[Tensor] = []
        for encoder in self.encoders:
            skips.append(x)
            x = encoder(self.pool(x))  # [N, width * 2**i, H / 2**i, W / 2**i]
        for upsample, decoder in zip(self.upsamples, self.decoders, strict=True):
            x = upsample(x)  # [N, width * 2**i, H / 2**i, W / 2**i]
            x = decoder(torch.cat([skips.pop(), x], dim=1))
        logits: Tensor = self.head(x)  # [N, class_count, H, W]
        return logits
