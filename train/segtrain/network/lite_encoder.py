"""The encoder of EfficientNet-Lite: inverted residuals with ReLU6 and without squeeze-excite, made for INT8.

Tan and Le 2019 (arXiv 1905.11946); the Lite variants are of TensorFlow's TPU models, as are their ImageNet weights.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from segtrain.network.presets import EncoderName


@dataclass(frozen=True)
class Stage:
    """Some blocks of one width, the first of which has the stride."""

    channels: int
    blocks: int
    kernel: int
    stride: int
    expansion: int


def _stages(channels: tuple[int, ...], blocks: tuple[int, ...]) -> tuple[Stage, ...]:
    kernels, strides, expansions = (3, 3, 5, 3, 5, 5, 3), (1, 2, 2, 2, 1, 2, 1), (1, 6, 6, 6, 6, 6, 6)
    return tuple(map(Stage, channels, blocks, kernels, strides, expansions))


STAGES: dict[EncoderName, tuple[Stage, ...]] = {
    "lite0": _stages((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1)),
    "lite1": _stages((16, 24, 40, 80, 112, 192, 320), (1, 3, 3, 4, 4, 5, 1)),
    "lite2": _stages((16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1)),
}

TAPS = (0, 1, 2, 4, 6)
"""The stages after which features are taken: the last ones at strides 2, 4, 8, 16 and 32."""

STEM_CHANNELS = 32


class LiteConv(nn.Sequential):
    """Convolution, batch normalisation with TensorFlow's epsilon and, unless `relu` is False, ReLU6.

    Padding is the same on all sides, where TensorFlow pads a stride of 2 by one more to the right and below. That
    moves the grid by one pixel of the layer's input, from half a pixel right of the middle of each 2x2 to half a pixel
    left of it, and changes nothing else: the kernels see the neighbourhoods that they know.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1, relu: bool = True
    ) -> None:
        convolution = nn.Conv2d(
            in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
        )
        norm = nn.BatchNorm2d(out_channels, eps=1e-3)
        super().__init__(convolution, norm, nn.ReLU6(inplace=True) if relu else nn.Identity())


class InvertedResidual(nn.Module):
    """Widen, filter each channel by itself, narrow; and a way around where nothing changes (arXiv 1801.04381)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = in_channels * expansion
        self.expand = LiteConv(in_channels, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = LiteConv(wide, wide, kernel, stride=stride, groups=wide)
        self.project = LiteConv(wide, out_channels, 1, relu=False)
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return features float [N, out_channels, H / stride, W / stride] of features float [N, in_channels, H, W]."""
        out: Tensor = self.project(self.depthwise(self.expand(x)))
        return out + x if self.shortcut else out


class LiteEncoder(nn.Module):
    """Normalised RGB float [N, 3, H, W] -> features at strides 2, 4, 8, 16 and 32; see `tap_channels`."""

    def __init__(self, name: EncoderName) -> None:
        super().__init__()
        self.stem = LiteConv(3, STEM_CHANNELS, 3, stride=2)
        self.stages = nn.ModuleList()
        channels = STEM_CHANNELS
        for stage in STAGES[name]:
            blocks = []
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                blocks.append(InvertedResidual(channels, stage.channels, stage.kernel, stride, stage.expansion))
                channels = stage.channels
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features, finest first."""
        x = self.stem(x)
        taps = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in TAPS:
                taps.append(x)
        return taps


def tap_channels(name: EncoderName) -> list[int]:
    """Return how many channels the features at strides 2, 4, 8, 16 and 32 have."""
    return [STAGES[name][index].channels for index in TAPS]
