"""The figures of each epoch: written, read back, and searched for overfitting."""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pydantic import ConfigDict

from segdata.files import replacing

OVERFITTING_EPOCHS = 5


@dataclass(frozen=True)
class EpochFigures:
    """One row of `metrics.csv`.

    Losses are plain cross-entropy in nats a pixel, the train ones over augmented frames while the weights move; mIoU
    and accuracy are fractions 0 to 1 at the network's size. `outside_share` is the share of the training time spent
    outside forward, backward and the optimiser's step.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # where a training state is read

    epoch: int
    train_loss: float
    train_miou: float
    train_accuracy: float
    val_loss: float
    miou: float
    miou_official: float
    pixel_accuracy: float
    learning_rate: float
    images_per_second: float
    outside_share: float


def advice_after(epochs: int) -> str:
    """Return the advice for a run that ended with a non-finite loss after `epochs` good epochs."""
    begin = "the last good weights are kept: --resume" if epochs else "nothing was kept: begin again"
    return f"{begin} with a lower --learning-rate, or --precision 32-true"


def write_history(path: Path, history: list[EpochFigures]) -> None:
    """Write one row an epoch as CSV."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=[field.name for field in fields(EpochFigures)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in history)


def best_of(history: list[EpochFigures]) -> EpochFigures | None:
    """Return the first epoch with the highest mIoU on val, None if none has one."""
    measured = [row for row in history if row.miou == row.miou]
    return max(measured, key=lambda row: row.miou, default=None)


def overfits(history: list[EpochFigures]) -> bool:
    """Return whether the run overfits.

    It does if val's loss was lowest `OVERFITTING_EPOCHS` or more epochs ago and is a tenth higher now, while train's
    loss kept falling.
    """
    if len(history) <= OVERFITTING_EPOCHS:
        return False
    lowest = min(history, key=lambda row: row.val_loss)
    last = history[-1]
    return (
        last.epoch - lowest.epoch >= OVERFITTING_EPOCHS
        and last.val_loss > 1.1 * lowest.val_loss
        and last.train_loss < lowest.train_loss
    )
