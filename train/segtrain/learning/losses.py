"""The training objective: class-balanced cross-entropy plus a region loss."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segdata.labels import IGNORE_INDEX
from segtrain.learning.balance import class_weights
from segtrain.options import RegionLoss


def dice_loss(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return 1 - Dice, averaged over the classes that occur in the batch (Milletari et al. 2016, arXiv 1606.04797).

    Takes probabilities float [N, C, H, W] and labels int64 [N, H, W], whose 255 are left out. Kornia's
    averages over frames, so a class with a single pixel in a frame counts as much as the road.
    """
    kept = labels != IGNORE_INDEX
    classes = torch.where(kept, labels, 0)
    true_probability = probabilities.gather(1, classes.unsqueeze(1)).squeeze(1) * kept  # [N, H, W]
    nothing = probabilities.new_zeros(probabilities.shape[1])
    # Gathered, not multiplied by one-hot truth, which takes as long as the network.
    intersection = nothing.index_add(0, classes.flatten(), true_probability.flatten())  # [C]
    true_pixels = nothing.index_add(0, classes.flatten(), kept.flatten().to(nothing.dtype))
    predicted_pixels = torch.einsum("nchw,nhw->c", probabilities, kept.to(nothing.dtype))
    dice = (2 * intersection + 1) / (predicted_pixels + true_pixels + 1)
    present = true_pixels > 0
    return ((1 - dice) * present).sum() / present.sum().clamp(min=1)


def lovasz_loss(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the Lovász-softmax loss over the classes that occur in the batch (Berman et al. 2018, arXiv 1705.08790).

    Shapes as in `dice_loss`. Kornia's has no ignore_index.
    """
    kept = labels != IGNORE_INDEX
    pixels = probabilities.permute(0, 2, 3, 1)[kept]  # [P, C]
    labels = labels[kept]
    losses = []
    for class_id in torch.unique(labels).tolist():
        foreground = (labels == class_id).float()
        errors, order = (foreground - pixels[:, class_id]).abs().sort(descending=True)
        losses.append(errors @ _jaccard_gradient(foreground[order]))
    return torch.stack(losses).mean() if losses else probabilities.sum() * 0


def _jaccard_gradient(foreground: Tensor) -> Tensor:
    """Return the gradient of the Lovász extension of the Jaccard loss, float [P], for truth in the order of errors."""
    total = foreground.sum()
    intersection = total - foreground.cumsum(0)
    union = total + (1 - foreground).cumsum(0)
    jaccard = 1 - intersection / union
    return torch.cat([jaccard[:1], jaccard.diff()])


class Objective(nn.Module):
    """Logits float [N, C, H, W] and labels int64 [N, H, W] -> the loss to minimise, and plain cross-entropy.

    Plain cross-entropy, in nats a pixel, is comparable with val; it carries no gradient.
    """

    weights: Tensor

    def __init__(self, class_pixels: Sequence[int], class_balance: float, region_loss: RegionLoss) -> None:
        super().__init__()
        self.register_buffer("weights", class_weights(class_pixels, class_balance))
        self.region_loss = {"none": None, "dice": dice_loss, "lovasz": lovasz_loss}[region_loss]

    def forward(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return both losses; a batch without a labelled pixel has a loss of 0."""
        log_probabilities = logits.float().log_softmax(dim=1)
        pixel_losses = F.nll_loss(log_probabilities, labels, ignore_index=IGNORE_INDEX, reduction="none")  # [N, H, W]
        kept = labels != IGNORE_INDEX
        pixel_weights = self.weights[torch.where(kept, labels, 0)] * kept
        loss = (pixel_losses * pixel_weights).sum() / pixel_weights.sum().clamp(min=1e-6)
        if self.region_loss is not None:
            loss = loss + self.region_loss(log_probabilities.exp(), labels)
        return loss, pixel_losses.detach().sum() / kept.sum().clamp(min=1)
