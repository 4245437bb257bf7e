"""What a training run looks like."""

from pathlib import Path

from matplotlib.figure import Figure

from segdata.files import replacing
from segtrain.loop import EpochFigures


def plot_curves(history: list[EpochFigures], path: Path) -> None:
    """Draw loss (train and val), mIoU and pixel accuracy (val) over the epochs into a PNG."""
    epochs = [row.epoch for row in history]
    figure = Figure(figsize=(11, 4), layout="constrained")
    losses, shares = figure.subplots(1, 2)
    losses.plot(epochs, [row.train_loss for row in history], label="train")
    losses.plot(epochs, [row.val_loss for row in history], label="val")
    losses.set(title="Loss", xlabel="epoch", ylabel="cross-entropy, nats a pixel", ylim=(0, None))
    shares.plot(epochs, [100 * row.pixel_accuracy for row in history], label="pixel accuracy")
    shares.plot(epochs, [100 * row.miou_official for row in history], label="mIoU, 19 official classes")
    shares.plot(epochs, [100 * row.miou for row in history], label="mIoU, all classes")
    shares.set(title="Accuracy on val", xlabel="epoch", ylabel="percent", ylim=(0, 100))
    for axes in (losses, shares):
        axes.grid(alpha=0.3)
        axes.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
