"""Small PyTorch networks with random weights, written and exported to ONNX as others do it."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEIGHT, WIDTH, CLASSES = 64, 96, 19


def _inverted(inner: int, outer: int, stride: int) -> nn.Sequential:
    wide = 2 * inner
    return nn.Sequential(
        nn.Conv2d(inner, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.Hardswish(),
        nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.Hardswish(),
        nn.Conv2d(wide, outer, 1, bias=False), nn.BatchNorm2d(outer),
    )  # fmt: skip


class LRASPP(nn.Module):
    """As in torchvision, on a MobileNetV3-like backbone: the map is weighted by its global pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish())
        self.low, self.high = _inverted(8, 16, 2), nn.Sequential(_inverted(16, 24, 2), _inverted(24, 32, 1))
        self.reduce = nn.Sequential(nn.Conv2d(32, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.scale = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(32, 16, 1, bias=False), nn.Sigmoid())
        self.low_head, self.high_head = nn.Conv2d(16, CLASSES, 1), nn.Conv2d(16, CLASSES, 1)

    def forward(self, images: Tensor) -> Tensor:
        low = self.low(self.stem(images))
        high = self.high(low)
        weighted = F.interpolate(self.reduce(high) * self.scale(high), size=low.shape[-2:], mode="bilinear")
        return F.interpolate(self.low_head(low) + self.high_head(weighted), size=images.shape[-2:], mode="bilinear")


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value, self.out = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(width, width),
        )
        self.reduce, self.norm = nn.Conv2d(width, width, reduction, reduction), nn.LayerNorm(width)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        batch, count, channels = tokens.shape
        each = channels // self.heads
        query = self.query(tokens).reshape(batch, count, self.heads, each).permute(0, 2, 1, 3)
        image = tokens.permute(0, 2, 1).reshape(batch, channels, height, width)
        fewer = self.norm(self.reduce(image).flatten(2).transpose(1, 2))
        key, value = self.key_value(fewer).reshape(batch, -1, 2, self.heads, each).permute(2, 0, 3, 1, 4).unbind(0)
        weights = (query @ key.transpose(-2, -1) * each**-0.5).softmax(dim=-1)
        found: Tensor = self.out((weights @ value).transpose(1, 2).reshape(batch, count, channels))
        return found


class SegFormer(nn.Module):
    """One stage of it: overlapping patches, attention with fewer keys than queries, and a head of linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.norm = nn.Conv2d(3, 16, 7, 4, 3), nn.LayerNorm(16)
        self.attention, self.hidden, self.shrink = _Attention(16, 2, 4), nn.Linear(16, 32), nn.Linear(32, 16)
        self.depthwise, self.linear = nn.Conv2d(32, 32, 3, 1, 1, groups=32), nn.Linear(16, 24)
        self.head = nn.Conv2d(24, CLASSES, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.patches(images)
        batch, _, height, width = maps.shape
        tokens = maps.flatten(2).transpose(1, 2)
        tokens = tokens + self.attention(self.norm(tokens), height, width)
        hidden = self.hidden(tokens).transpose(1, 2).reshape(batch, -1, height, width)
        tokens = tokens + self.shrink(F.gelu(self.depthwise(hidden).flatten(2).transpose(1, 2)))
        logits: Tensor = self.head(self.linear(tokens).transpose(1, 2).reshape(batch, -1, height, width))
        return logits


def write_torch_network(kind: type[nn.Module], path: Path) -> None:
    """Export a network of `kind` with random weights, with PyTorch's current exporter."""
    torch.manual_seed(0)
    network = kind()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias, 0, 0.2)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    example = torch.zeros(1, 3, HEIGHT, WIDTH)
    torch.onnx.export(
        network.eval(), (example,), path, dynamo=True, opset_version=18, external_data=False, verbose=False
    )
