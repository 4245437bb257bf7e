"""The interface of every network here: training and export use nothing else."""

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F


class Network(nn.Module):
    """Normalised RGB float [N, 3, H, W] -> logits float [N, class_count, H, W].

    `stem_stride` is 2 where the network computes logits at half of H and W and enlarges them at the end. `head` is the
    1x1 convolution that gives the logits. `pretrained` names the children that may start from another net's weights:
    they learn at a rate of their own.
    """

    pretrained: ClassVar[tuple[str, ...]] = ()
    stem_stride: int
    head: nn.Conv2d

    def features(self, x: Tensor) -> Tensor:
        """Return what the head reads: float [N, head.in_channels, H / stem_stride, W / stem_stride]."""
        raise NotImplementedError

    def forward(self, x: Tensor, coarse: bool = False) -> Tensor:
        """Return the logits of normalised frames; `coarse` leaves them at H / stem_stride and W / stem_stride."""
        logits: Tensor = self.head(self.features(x))
        if self.stem_stride > 1 and not coarse:
            logits = F.interpolate(logits, scale_factor=float(self.stem_stride), mode="bilinear")
        return logits
