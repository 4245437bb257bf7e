"""Augmentation: frame and labels stay registered, labels are never mixed."""

import pytest
import torch
from torch import Tensor

from segtrain.augment import Augment

SIZE = 64


def labelled_blocks() -> tuple[Tensor, Tensor]:
    """Return frames whose red and green say, block by block, which label stands there."""
    rows = torch.arange(SIZE).view(-1, 1).expand(SIZE, SIZE) // 16
    columns = torch.arange(SIZE).expand(SIZE, SIZE) // 16
    labels = (rows * 4 + columns).expand(8, SIZE, SIZE).clone()
    frames = torch.stack([labels // 4 / 4, labels % 4 / 4, torch.full_like(labels, 0, dtype=torch.float)], dim=1)
    return frames, labels


def test_labels_go_where_their_pixels_go(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    augment = Augment(SIZE, SIZE)
    frames, labels = labelled_blocks()
    for step in list(augment.steps.children())[2:]:  # what changes pixels in place: colours, blur, noise
        monkeypatch.setattr(step, "p", 0.0)
        monkeypatch.setattr(step, "p_batch", 0.0)
    seen, moved = augment(frames, labels)
    assert not torch.equal(moved, labels)  # something was flipped or cropped
    decoded = (seen[:, 0] * 4).round() * 4 + (seen[:, 1] * 4).round()
    # Frames are interpolated at block edges and labels are not: there, and only there, they may differ.
    assert (decoded == moved).float().mean() > 0.93


def test_labels_are_never_interpolated() -> None:
    torch.manual_seed(2)
    frames, _ = labelled_blocks()
    labels = torch.where(torch.rand(8, SIZE, SIZE) < 0.5, 3, 28)
    labels[:, :8] = 255
    _, moved = Augment(SIZE, SIZE)(frames, labels)
    assert set(moved.unique().tolist()) <= {3, 28, 255}


def test_frames_stay_in_range_and_differ_from_one_another() -> None:
    torch.manual_seed(3)
    frame = torch.rand(1, 3, SIZE, SIZE).expand(8, -1, -1, -1)
    seen, _ = Augment(SIZE, SIZE)(frame, torch.zeros(8, SIZE, SIZE, dtype=torch.long))
    assert seen.min() >= 0
    assert seen.max() <= 1
    assert (seen[0] - seen[1]).abs().mean() > 0.01


def test_the_seed_decides() -> None:
    frames, labels = labelled_blocks()
    results = []
    for _ in range(2):
        torch.manual_seed(4)
        results.append(Augment(SIZE, SIZE)(frames, labels))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
