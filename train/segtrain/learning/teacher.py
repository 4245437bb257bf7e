"""Distillation: the student learns a wide network's softened logits of each pixel besides the labels.

Hinton et al. 2015 (arXiv 1503.02531); per pixel as in Liu et al. 2019 (arXiv 1903.04197).
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segdata.errors import InputError
from segdata.spec import ModelSpec
from segtrain.frames.batches import resized
from segtrain.learning.balance import UNDONE
from segtrain.learning.cpu_speed import PROBE_FRAMES, faster_format
from segtrain.network.checkpoint import load_checkpoint
from segtrain.network.folding import fold_batch_norm


class Teacher(nn.Module):
    """A trained network of any architecture and size for the same classes; its weights are frozen."""

    def __init__(self, path: Path, spec: ModelSpec, class_weights: Tensor) -> None:
        """Load the checkpoint `path` to teach the network of `spec`, whose loss has `class_weights`, float32 [C].

        Raises what `load_checkpoint` does, and InputError for a network of other classes.
        """
        super().__init__()
        network, self.spec = load_checkpoint(path)
        if self.spec.class_names != spec.class_names:
            raise InputError(
                f"{path}: a teacher of {self.spec.label_space} ({self.spec.class_count} classes), the dataset is of "
                f"{spec.label_space} ({spec.class_count}); take a teacher of the same label space"
            )
        folded = fold_batch_norm(network.eval()).requires_grad_(False)
        self.network = folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # not in torch's types
        # The balanced loss treats rare classes as common, the finished teacher does not: what `undo_balance` took
        # from its head is put back.
        undone = (self.spec.metrics or {}).get(UNDONE, 0.0)
        self.register_buffer("shift", undone * class_weights.log().view(1, -1, 1, 1), persistent=False)

    def settle_on_cpu(self) -> None:
        """Compute in float32 or bfloat16 from now on, in whichever is faster on this CPU."""
        frames = torch.randn(PROBE_FRAMES, 3, self.spec.height, self.spec.width)
        self.network.to(faster_format(self.network, frames.to(memory_format=torch.channels_last)))

    @torch.no_grad()
    def forward(self, frames: Tensor, height: int, width: int) -> Tensor:
        """Return logits float32 [N, C, height, width] of frames normalised and of the teacher's own size."""
        assert isinstance(self.shift, Tensor)
        weight = next(self.network.parameters())
        logits = self.network.eval()(frames.to(weight.dtype), coarse=True).float() + self.shift
        return resized(logits, height, width)


def distillation_loss(logits: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Return the divergence of `logits` from `wanted`, both float [N, C, H, W], in nats a pixel.

    Both are divided by the temperature first, and the result is multiplied by its square, so that the gradient keeps
    its size.
    """
    found = (logits.float() / temperature).log_softmax(dim=1)
    target = (wanted / temperature).log_softmax(dim=1)
    divergence = F.kl_div(found, target, reduction="none", log_target=True).sum(dim=1)  # [N, H, W]
    return divergence.mean() * temperature**2
