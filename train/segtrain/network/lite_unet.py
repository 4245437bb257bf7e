"""A UNet on the encoder of an EfficientNet-Lite."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from segtrain.network.base import Network
from segtrain.network.lite_encoder import LiteEncoder, tap_channels
from segtrain.network.presets import EncoderName
from segtrain.network.unet import PlainBlock, upsampling

DECODER_WIDTHS = (3, 2, 1.5, 1)
"""The channels of the decoder at strides 16, 8, 4 and 2, as multiples of those of the last."""


class LiteUNet(Network):
    """Normalised RGB float [N, 3, H, W] -> logits float [N, class_count, H, W]; H and W divisible by 32.

    The logits are computed at half of H and W, of `decoder_width` channels; see `DECODER_WIDTHS` for those before.
    """

    pretrained: ClassVar[tuple[str, ...]] = ("encoder",)

    def __init__(self, class_count: int, encoder: EncoderName, decoder_width: int = 32) -> None:
        super().__init__()
        channels = [int(decoder_width * width) for width in DECODER_WIDTHS]
        self.encoder = LiteEncoder(encoder)
        *skips, deepest = tap_channels(encoder)
        below = (deepest, *channels)
        self.upsamples = nn.ModuleList(
            upsampling("resize", narrow, wide) for narrow, wide in zip(below, channels, strict=False)
        )
        self.decoders = nn.ModuleList(
            PlainBlock(skip + wide, wide) for skip, wide in zip(reversed(skips), channels, strict=True)
        )
        self.head = nn.Conv2d(channels[-1], class_count, kernel_size=1)
        self.stem_stride = 2

    def features(self, x: Tensor) -> Tensor:
        """Return what the head reads: float [N, decoder_width, H / 2, W / 2]."""
        *skips, x = self.encoder(x)
        for upsample, decoder in zip(self.upsamples, self.decoders, strict=True):
            x = decoder(torch.cat([skips.pop(), upsample(x)], dim=1))
        return x
