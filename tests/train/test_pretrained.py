"""The encoders' ImageNet weights: real ones where their packages are installed, one line where something is wrong."""

import importlib.metadata
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch

from segdata.labels import CITYSCAPES_29
from segdata.spec import ModelSpec
from segtrain.network.lite_encoder import LiteEncoder
from segtrain.network.presets import EncoderName
from segtrain.network.pretrained import credit_of, load_pretrained, weights_file

Refused = Callable[..., AbstractContextManager[None]]

SPEC = ModelSpec(64, 64, "cityscapes-29", CITYSCAPES_29.names, CITYSCAPES_29.colours, "unet", {})


@pytest.mark.parametrize("name", get_args(EncoderName))
def test_the_weights_of_each_encoder_fit_it(name: EncoderName) -> None:
    encoder = LiteEncoder(name).eval()
    before = encoder.get_parameter("stem.0.weight").clone()
    load_pretrained(weights_file(name), encoder, SPEC)
    assert not torch.equal(encoder.get_parameter("stem.0.weight"), before)
    strides = [64 // feature.shape[-1] for feature in encoder(torch.randn(1, 3, 64, 64))]
    assert strides == [2, 4, 8, 16, 32]
    assert "Apache-2.0" in credit_of(name)


def test_frames_normalised_otherwise_give_the_same_features() -> None:
    """The stem takes in the difference; only the rim, where padding is another grey, may differ."""
    frames = torch.randint(256, (1, 3, 64, 64), generator=torch.Generator().manual_seed(0)).float()
    found = []
    for spec in (SPEC, replace(SPEC, mean=(127.0,) * 3, std=(128.0,) * 3)):
        encoder = LiteEncoder("lite0").eval()
        load_pretrained(weights_file("lite0"), encoder, spec)
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
        found.append(encoder.stem((frames - mean) / std)[..., 1:-1, 1:-1])
    assert torch.allclose(found[0], found[1], atol=1e-3)


def test_weights_of_another_encoder_are_refused(refused: Refused) -> None:
    with refused(r"its tensors are not those of this encoder"):
        load_pretrained(weights_file("lite2"), LiteEncoder("lite0"), SPEC)


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"no weights"])
def test_damaged_weights_are_refused(tmp_path: Path, refused: Refused, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "lite0.pth"
    path.write_bytes(damage(weights_file("lite0").read_bytes()))
    encoder = LiteEncoder("lite0")
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with refused(r"lite0\.pth: cannot be read as PyTorch weights"):
        load_pretrained(path, encoder, SPEC)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("segtrain.network.pretrained.distribution", missing)
    with refused(r"--encoder lite1 .* not installed; install edgeseg\[pretrained\]"):
        weights_file("lite1")
