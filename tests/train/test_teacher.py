"""Distillation: a teacher of any architecture and size teaches, one of other classes is refused."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from segdata.labels import CITYSCAPES_19, CITYSCAPES_29
from segdata.spec import ModelSpec
from segtrain.frames.batches import resized
from segtrain.learning.teacher import Teacher, distillation_loss
from segtrain.network.checkpoint import build_network, load_checkpoint, save_checkpoint
from segtrain.network.presets import PRESETS, LiteArchitecture

Refused = Callable[..., AbstractContextManager[None]]

LITE = ModelSpec(
    64, 64, "cityscapes-29", CITYSCAPES_29.names, CITYSCAPES_29.colours, "unet", LiteArchitecture("lite0").options()
)


def saved(path: Path, spec: ModelSpec) -> Path:
    torch.manual_seed(0)
    save_checkpoint(path, build_network(spec), spec)
    return path


def test_a_teacher_of_another_architecture_and_size_gives_logits_of_the_size_asked_for(tmp_path: Path) -> None:
    spec = replace(LITE, architecture=LITE.architecture, options=PRESETS["nano"].options(), height=32, width=32)
    teacher = Teacher(saved(tmp_path / "lite.safetensors", _lite_spec()), spec, torch.ones(29))
    logits = teacher(torch.randn(2, 3, 64, 64), 16, 16)
    assert logits.shape == (2, 29, 16, 16)
    assert not logits.requires_grad


def _lite_spec() -> ModelSpec:
    architecture = LiteArchitecture("lite0")
    return replace(LITE, architecture=architecture.name, options=architecture.options())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 0.1)])
def test_it_gives_its_networks_logits_in_either_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, tolerance: float
) -> None:
    path = tmp_path / "lite.safetensors"
    torch.manual_seed(0)
    network = build_network(_lite_spec()).requires_grad_(False)
    frames = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for _ in range(20):  # batch normalisation has seen what it normalises, as in a trained network
        network.train()(frames)
    save_checkpoint(path, network, _lite_spec())
    teacher = Teacher(path, LITE, torch.ones(29))
    monkeypatch.setattr("segtrain.learning.teacher.faster_format", lambda *_: dtype)
    teacher.settle_on_cpu()
    logits = teacher(frames, 64 // network.stem_stride, 64 // network.stem_stride)
    kept, _ = load_checkpoint(path)
    expected = kept.requires_grad_(False).eval()(frames, coarse=True)
    assert logits.dtype is torch.float32
    assert float((logits - expected).abs().max() / expected.abs().max()) < tolerance


def test_a_teacher_of_other_classes_is_refused(tmp_path: Path, refused: Refused) -> None:
    other = replace(
        _lite_spec(), label_space="cityscapes-19", class_names=CITYSCAPES_19.names, colours=CITYSCAPES_19.colours
    )
    path = saved(tmp_path / "other.safetensors", other)
    with refused(r"other\.safetensors: a teacher of cityscapes-19 \(19 classes\), the dataset is of cityscapes-29"):
        Teacher(path, LITE, torch.ones(29))


def test_the_loss_is_nothing_for_the_teachers_own_logits_and_grows_with_the_distance() -> None:
    wanted = torch.randn(1, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    assert float(distillation_loss(wanted, wanted, 2.0)) == pytest.approx(0, abs=1e-6)
    near, far = (
        float(distillation_loss(wanted + shift * torch.arange(5.0).view(1, 5, 1, 1), wanted, 2.0)) for shift in (0.5, 2)
    )
    assert 0 < near < far


def test_a_sure_teacher_is_worth_as_much_as_its_labels() -> None:
    """At temperature 1, the divergence from a one-hot teacher is the cross-entropy."""
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    labels = torch.randint(3, (2, 4, 4), generator=torch.Generator().manual_seed(2))
    sure = 1e4 * torch.nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2).float()
    assert float(distillation_loss(logits, sure, 1.0)) == pytest.approx(float(cross_entropy(logits, labels)), rel=1e-4)


def test_values_are_averaged_where_they_become_fewer() -> None:
    values = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]])
    assert resized(values, 1, 1).item() == 4.0
    assert resized(values, 2, 2) is values
    assert math.isfinite(resized(values, 5, 3).sum().item())
