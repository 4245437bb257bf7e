"""What training minimises: weights of classes, Dice, Lovász, and both beside cross-entropy."""

from collections.abc import Callable

import kornia
import kornia.losses
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from packaging.version import Version
from torch import Tensor

from segtrain.learning.balance import class_weights
from segtrain.learning.losses import Objective, dice_loss, lovasz_loss
from segtrain.options import RegionLoss

CLASSES = 5
PIXELS = (4000, 900, 90, 10, 0)  # of each class: the last does not occur
RegionFunction = Callable[[Tensor, Tensor], Tensor]
REGION_LOSSES: dict[str, RegionFunction] = {"dice": dice_loss, "lovasz": lovasz_loss}


def logits_and_labels(seed: int = 0, ignored: float = 0.2, count: int = 2) -> tuple[Tensor, Tensor]:
    """Return logits float [N, 5, 9, 7] and labels int64 [N, 9, 7] of the classes 0 to 3, a share of them ignored."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, CLASSES, 9, 7, generator=generator)
    labels = torch.randint(CLASSES - 1, (count, 9, 7), generator=generator)
    labels[torch.rand(count, 9, 7, generator=generator) < ignored] = 255
    return logits, labels


def one_hot(labels: Tensor, classes: int = CLASSES) -> Tensor:
    """Return probabilities float [N, C, H, W] that are sure of `labels`."""
    return F.one_hot(labels, classes).permute(0, 3, 1, 2).float()


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_the_mean_weight_of_all_pixels_is_one(exponent: float) -> None:
    weights = class_weights(PIXELS, exponent)
    share = torch.tensor(PIXELS) / sum(PIXELS)
    assert weights.dtype == torch.float32
    assert float((weights * share).sum()) == pytest.approx(1, abs=1e-5)


def test_an_exponent_of_zero_weighs_every_pixel_alike_and_one_every_class() -> None:
    assert class_weights(PIXELS, 0).tolist() == [1] * CLASSES
    of_class = class_weights(PIXELS, 1)[:4] * torch.tensor(PIXELS[:4])
    assert of_class.tolist() == pytest.approx([float(of_class[0])] * 4)


def test_the_rarer_a_class_the_more_it_weighs_and_none_weighs_without_end() -> None:
    weights = class_weights(PIXELS, 0.5)
    assert weights.tolist() == sorted(weights.tolist())
    assert float(weights[1] / weights[0]) == pytest.approx((4000 / 900) ** 0.5, rel=1e-5)
    assert torch.isfinite(weights).all()
    assert float(weights[4]) <= 100 * float(weights[0])
    assert torch.isfinite(class_weights((0, 0, 0), 0.5)).all()


@pytest.mark.parametrize("seed", range(3))
def test_dice_is_that_of_a_plain_implementation(seed: int) -> None:
    logits, labels = logits_and_labels(seed)
    probabilities = logits.softmax(dim=1)
    predicted, kept = probabilities.double().numpy(), labels.numpy() != 255
    losses = []
    for class_id in range(CLASSES):
        truth = labels.numpy() == class_id
        if not truth.any():
            continue
        here = predicted[:, class_id] * kept
        losses.append(1 - (2 * (here * truth).sum() + 1) / (here.sum() + truth.sum() + 1))
    assert len(losses) == CLASSES - 1
    assert float(dice_loss(probabilities, labels)) == pytest.approx(float(np.mean(losses)), abs=1e-5)


@pytest.fixture(params=list(REGION_LOSSES.values()), ids=list(REGION_LOSSES))
def loss(request: pytest.FixtureRequest) -> RegionFunction:
    function: RegionFunction = request.param
    return function


def test_a_perfect_prediction_costs_nothing_and_a_wrong_one_all(loss: RegionFunction) -> None:
    labels = torch.arange(4).view(1, 2, 2).repeat_interleave(40, 1).repeat_interleave(40, 2)
    assert float(loss(one_hot(labels), labels)) == pytest.approx(0, abs=1e-6)
    assert float(loss(one_hot((labels + 1) % 4), labels)) == pytest.approx(1, abs=1e-3)


def test_what_is_predicted_on_ignored_pixels_does_not_matter(loss: RegionFunction) -> None:
    logits, labels = logits_and_labels()
    others = torch.where((labels == 255).unsqueeze(1), torch.randn_like(logits) * 9, logits)
    assert not torch.equal(others, logits)
    assert float(loss(others.softmax(1), labels)) == pytest.approx(float(loss(logits.softmax(1), labels)), abs=1e-6)


def test_a_class_that_does_not_occur_is_no_term_of_the_mean(loss: RegionFunction) -> None:
    logits, labels = logits_and_labels()
    probabilities = logits.softmax(1)
    more = torch.cat([probabilities, torch.zeros(2, 3, 9, 7)], dim=1)
    assert float(loss(more, labels)) == pytest.approx(float(loss(probabilities, labels)), abs=1e-6)


def test_the_classes_are_those_of_the_batch_not_of_each_frame(loss: RegionFunction) -> None:
    logits, labels = logits_and_labels()
    side_by_side = torch.cat(list(logits), dim=2).unsqueeze(0), torch.cat(list(labels), dim=1).unsqueeze(0)
    joined = loss(side_by_side[0].softmax(1), side_by_side[1])
    assert float(loss(logits.softmax(1), labels)) == pytest.approx(float(joined), abs=1e-6)


def test_no_labelled_pixel_gives_no_region_loss_and_finite_gradients(loss: RegionFunction) -> None:
    logits = torch.randn(2, CLASSES, 4, 4, requires_grad=True)
    value = loss(logits.softmax(1), torch.full((2, 4, 4), 255))
    value.backward()
    assert float(value.detach()) == 0
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.skipif(Version(kornia.__version__) < Version("0.9"), reason="kornia had another before 0.9")
@pytest.mark.parametrize("seed", range(3))
def test_lovasz_is_kornias_where_every_class_occurs_and_none_is_ignored(seed: int) -> None:
    logits, labels = logits_and_labels(seed, ignored=0, count=1)
    logits = logits[:, : CLASSES - 1]
    assert len(labels.unique()) == logits.shape[1]
    theirs = kornia.losses.lovasz_softmax_loss(logits, labels)
    assert float(lovasz_loss(logits.softmax(1), labels)) == pytest.approx(float(theirs), abs=1e-5)


def test_lovasz_of_a_sure_prediction_is_one_minus_iou() -> None:
    _, labels = logits_and_labels(1)
    _, predicted = logits_and_labels(2, ignored=0)
    kept = labels != 255
    losses = []
    for class_id in range(CLASSES - 1):
        truth, prediction = (labels == class_id) & kept, (predicted == class_id) & kept
        losses.append(1 - float((truth & prediction).sum() / (truth | prediction).sum()))
    assert float(lovasz_loss(one_hot(predicted), labels)) == pytest.approx(float(np.mean(losses)), abs=1e-5)


def test_a_region_loss_can_be_learnt_by(loss: RegionFunction) -> None:
    logits, labels = logits_and_labels()
    logits.requires_grad_()
    optimizer = torch.optim.Adam([logits], 0.3)
    for _ in range(60):
        optimizer.zero_grad()
        loss(logits.softmax(1), labels).backward()
        optimizer.step()
    kept = labels != 255
    assert (logits.argmax(1) == labels)[kept].float().mean() > 0.95


def test_without_balance_and_region_the_objective_is_cross_entropy() -> None:
    logits, labels = logits_and_labels()
    loss, shown = Objective(PIXELS, 0, "none")(logits, labels)
    theirs = float(F.cross_entropy(logits, labels, ignore_index=255))
    assert float(loss) == pytest.approx(theirs, abs=1e-6)
    assert float(shown) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_with_balance_the_objective_is_weighted_cross_entropy(exponent: float) -> None:
    logits, labels = logits_and_labels()
    theirs = F.cross_entropy(logits, labels, weight=class_weights(PIXELS, exponent), ignore_index=255)
    loss, _ = Objective(PIXELS, exponent, "none")(logits, labels)
    assert float(loss) == pytest.approx(float(theirs), abs=1e-5)


@pytest.mark.parametrize("name", REGION_LOSSES)
def test_the_region_loss_is_added(name: RegionLoss) -> None:
    logits, labels = logits_and_labels()
    alone, _ = Objective(PIXELS, 0.5, "none")(logits, labels)
    both, _ = Objective(PIXELS, 0.5, name)(logits, labels)
    assert float(both - alone) == pytest.approx(float(REGION_LOSSES[name](logits.softmax(1), labels)), abs=1e-5)


def test_the_figure_that_is_shown_is_plain_cross_entropy_and_carries_no_gradient() -> None:
    logits, labels = logits_and_labels()
    logits.requires_grad_()
    loss, shown = Objective(PIXELS, 1, "dice")(logits, labels)
    assert loss.requires_grad
    assert not shown.requires_grad
    assert float(shown) == pytest.approx(float(F.cross_entropy(logits.detach(), labels, ignore_index=255)), abs=1e-6)


@pytest.mark.parametrize("name", ["none", *REGION_LOSSES])
def test_a_batch_without_a_labelled_pixel_costs_nothing_and_moves_nothing(name: RegionLoss) -> None:
    logits = torch.randn(2, CLASSES, 4, 4, requires_grad=True)
    loss, shown = Objective(PIXELS, 0.5, name)(logits, torch.full((2, 4, 4), 255))
    loss.backward()
    assert float(loss.detach()) == float(shown) == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_logits_of_half_precision_are_summed_in_float32() -> None:
    logits, labels = logits_and_labels()
    half = logits.half()
    loss, _ = Objective(PIXELS, 0.5, "dice")(half, labels)
    exact, _ = Objective(PIXELS, 0.5, "dice")(half.float(), labels)
    assert loss.dtype == torch.float32
    assert float(loss) == float(exact)
