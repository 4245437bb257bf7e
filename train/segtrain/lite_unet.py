"""A UNet on the encoder of an EfficientNet-Lite."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from segtrain.lite_encoder import EncoderName, LiteEncoder, tap_channels
from segtrain.network import Network
from segtrain.unet import PlainBlock, upsampling

DECODER_CHANNELS = (96, 64, 48, 32)
"""The widths of the decoder at strides 16, 8, 4 and 2."""


class LiteUNet(Network):
    """Normalised RGB float [N, 3, H, W] -> logits float [N, class_count, H, W]; H and W divisible by 32.

    The logits are computed at half of H and W.
    """

    pretrained: ClassVar[tuple[str, ...]] = ("encoder",)

    def __init__(self, class_count: int, encoder: EncoderName) -> None:
        super().__init__()
        self.encoder = LiteEncoder(encoder)
        *skips, deepest = tap_channels(encoder)
        below = (deepest, *DECODER_CHANNELS)
        self.upsamples = nn.ModuleList(
            upsampling("resize", narrow, wide) for narrow, wide in zip(below, DECODER_CHANNELS, strict=False)
        )
        self.decoders = nn.ModuleList(
            PlainBlock(skip + wide, wide) for skip, wide in zip(reversed(skips), DECODER_CHANNELS, strict=True)
        )
        self.head = nn.Conv2d(DECODER_CHANNELS[-1], class_count, kernel_size=1)
        self.stem_stride = 2

    def features(self, x: Tensor) -> Tensor:
        """Return what the head reads: float [N, 32, H / 2, W / 2]."""
        *skips, x = self.encoder(x)
        for upsample, decoder in zip(self.upsamples, self.decoders, strict=True):
            x = decoder(torch.cat([skips.pop(), upsample(x)], dim=1))
        return x
