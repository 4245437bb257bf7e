"""The figures of each epoch: stored exactly, the best of them, and when train and val diverge."""

import csv
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from segtrain.history import OVERFITTING_EPOCHS, EpochFigures, best_of, overfits, write_history

NAN = float("nan")
FIGURES = EpochFigures(1, 1.25, 0.125, 0.5, 1.5, 0.1, NAN, 0.1 + 0.2, 4e-3, 123.456, 0.07)


def history_of(train_losses: list[float], val_losses: list[float]) -> list[EpochFigures]:
    return [
        replace(FIGURES, epoch=epoch, train_loss=train, val_loss=val)
        for epoch, (train, val) in enumerate(zip(train_losses, val_losses, strict=True), start=1)
    ]


def falling(count: int) -> list[float]:
    return [2 * 0.9**epoch for epoch in range(count)]


def test_every_figure_is_on_disk_to_the_last_digit(tmp_path: Path) -> None:
    history = [replace(FIGURES, epoch=epoch, val_loss=1 / epoch) for epoch in (1, 2, 3)]
    path = tmp_path / "run" / "metrics.csv"
    write_history(path, history)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [field.name for field in fields(EpochFigures)]
    for row, figures in zip(rows, history, strict=True):
        assert {name: float(text) for name, text in row.items()} == pytest.approx(asdict(figures), rel=0, nan_ok=True)


def test_the_best_epoch_is_the_first_of_the_highest_miou_and_nan_is_none() -> None:
    history = [replace(FIGURES, epoch=epoch, miou=miou) for epoch, miou in enumerate([NAN, 0.2, NAN, 0.3, 0.3, 0.1])]
    best = best_of(history)
    assert best is history[3]
    assert best_of(history[:1]) is None
    assert best_of([]) is None


def test_overfitting_is_found_when_val_rises_while_train_falls() -> None:
    val = [2.0, 1.5, 1.2, 1.0, 1.05, 1.1, 1.2, 1.3, 1.4]
    assert overfits(history_of(falling(len(val)), val))


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ([], []),
        (falling(OVERFITTING_EPOCHS), [1.0] + [2.0] * (OVERFITTING_EPOCHS - 1)),
        (falling(5), [1.0, 1.5, 2.0, 2.5, 3.0]),
        (falling(12), falling(12)),
        (falling(12), [1.0] + [1.09] * 11),  # noise under a tenth
        (falling(12), [1.0] * 9 + [0.9, 1.5, 2.0]),  # the lowest was only just now
        (falling(12), [1.0] + [2.0] * 10 + [1.05]),  # it was worse and came back
        ([1.0] + [1.1] * 11, [1.0] + [2.0] * 11),  # train's rises as well: too high a learning rate
    ],
    ids=["none", "short", "shorter", "both falling", "noise", "recent", "recovered", "both rising"],
)
def test_nothing_is_called_overfitting_that_is_not(train: list[float], val: list[float]) -> None:
    assert not overfits(history_of(train, val))


def test_overfitting_needs_five_epochs_and_a_tenth() -> None:
    for epochs, rise, expected in ((5, 1.11, True), (4, 1.11, False), (5, 1.09, False)):
        val = [1.2, 1.1, 1.0, *[rise] * epochs]
        assert overfits(history_of(falling(len(val)), val)) is expected, (epochs, rise)
