"""Augmentation: frame and labels stay aligned, labels are never mixed, and only `strong` changes the light much."""

import pytest
import torch
from torch import Tensor, nn

from segtrain.frames.augment import Augment, RandomLight
from segtrain.options import Augmentation

SIZE = 64
KINDS: tuple[Augmentation, ...] = ("plain", "strong")


def labelled_blocks(count: int = 8) -> tuple[Tensor, Tensor]:
    """Return frames whose red and green say, block by block, which label stands there."""
    rows = torch.arange(SIZE).view(-1, 1).expand(SIZE, SIZE) // 16
    columns = torch.arange(SIZE).expand(SIZE, SIZE) // 16
    labels = (rows * 4 + columns).expand(count, SIZE, SIZE).clone()
    frames = torch.stack([labels // 4 / 4, labels % 4 / 4, torch.full_like(labels, 0, dtype=torch.float)], dim=1)
    return frames, labels


def test_labels_go_where_their_pixels_go(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    augment = Augment("plain")
    frames, labels = labelled_blocks()
    monkeypatch.setattr(augment, "looks", nn.Identity())
    seen, moved = augment(frames, labels)
    assert not torch.equal(moved, labels)  # something was flipped or cropped
    decoded = (seen[:, 0] * 4).round() * 4 + (seen[:, 1] * 4).round()
    # Frames are interpolated at block edges and labels are not: there, and only there, they may differ.
    assert (decoded == moved).float().mean() > 0.93


def test_light_and_colour_leave_frame_and_labels_registered() -> None:
    """Black and white stay on their sides of a frame's mean, whatever the light."""
    torch.manual_seed(8)
    dark = torch.zeros(32, SIZE, SIZE, dtype=torch.long)
    dark[:, 16:40, 24:48] = 1
    labels = dark
    frames = (0.1 + 0.7 * labels).unsqueeze(1).expand(-1, 3, -1, -1).contiguous()
    seen, moved = Augment("strong")(frames, labels)
    assert not torch.equal(moved, labels)
    for frame, label in zip(seen.mean(dim=1), moved, strict=True):
        if len(label.unique()) == 2:
            middle = (frame[label == 0].mean() + frame[label == 1].mean()) / 2
            assert ((frame > middle) == (label == 1)).float().mean() > 0.93


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_never_interpolated(kind: Augmentation) -> None:
    torch.manual_seed(2)
    frames, _ = labelled_blocks()
    labels = torch.where(torch.rand(8, SIZE, SIZE) < 0.5, 3, 28)
    labels[:, :8] = 255
    _, moved = Augment(kind)(frames, labels)
    assert moved.dtype == torch.int64
    assert set(moved.unique().tolist()) <= {3, 28, 255}


@pytest.mark.parametrize("kind", KINDS)
def test_frames_stay_in_range_and_differ_from_one_another(kind: Augmentation) -> None:
    torch.manual_seed(3)
    frame = torch.rand(1, 3, SIZE, SIZE).expand(16, -1, -1, -1)
    seen, _ = Augment(kind)(frame, torch.zeros(16, SIZE, SIZE, dtype=torch.long))
    assert seen.shape == (16, 3, SIZE, SIZE)
    assert seen.min() >= 0
    assert seen.max() <= 1
    assert (seen[0] - seen[1]).abs().mean() > 0.01


def test_none_changes_nothing() -> None:
    frames, labels = labelled_blocks()
    seen, same = Augment("none")(frames, labels)
    assert torch.equal(seen, labelled_blocks()[0])
    assert torch.equal(same, labelled_blocks()[1])


def test_only_strong_shows_dusk_and_night() -> None:
    """Of white, the change of brightness and contrast that `plain` makes leaves 0.4 at least."""
    frames = torch.ones(96, 3, 16, 16)
    labels = torch.zeros(96, 16, 16, dtype=torch.long)
    shares = {}
    for kind in KINDS:
        torch.manual_seed(5)
        seen, _ = Augment(kind)(frames, labels)
        shares[kind] = float((seen.mean(dim=(1, 2, 3)) < 0.39).float().mean())
    assert shares["plain"] == 0
    assert 0.04 < shares["strong"] < 0.3


def test_light_leaves_seven_tenths_of_the_frames_alone_and_changes_the_rest_both_ways() -> None:
    torch.manual_seed(6)
    frames = torch.rand(2000, 3, 4, 4)
    before = frames.clone()
    seen = RandomLight()(frames)
    assert torch.equal(frames, before)
    alone = (seen == before).flatten(1).all(dim=1)
    assert 0.66 < float(alone.float().mean()) < 0.74
    change = (seen / before.clamp(min=1e-4)).mean(dim=(1, 2, 3))[~alone]
    assert change.min() < 0.3
    assert change.max() > 1.2
    assert 0 <= seen.min() <= seen.max() <= 1


def test_light_has_a_colour_of_its_own_in_each_frame() -> None:
    torch.manual_seed(7)
    seen = RandomLight()(torch.full((200, 3, 2, 2), 0.4))
    changed = seen[(seen != 0.4).flatten(1).any(dim=1)][:, :, 0, 0]
    ratios = changed / changed.mean(dim=1, keepdim=True)
    assert ratios.std(dim=0).min() > 0.03
    assert 0.7 < ratios.min() < ratios.max() < 1.35


@pytest.mark.parametrize("count", [0, 1])
def test_light_takes_a_batch_of_one_or_none(count: int) -> None:
    torch.manual_seed(0)
    for _ in range(10):
        assert RandomLight()(torch.rand(count, 3, 4, 4)).shape == (count, 3, 4, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides(kind: Augmentation) -> None:
    frames, labels = labelled_blocks()
    results = []
    for seed in (4, 4, 5):
        torch.manual_seed(seed)
        results.append(Augment(kind)(frames, labels))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert not torch.equal(results[0][0], results[2][0])
