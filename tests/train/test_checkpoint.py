"""Checkpoints: what was saved comes back, with its spec, and nothing else is let in."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from segdata.errors import ContractError, InputError
from segdata.labels import CITYSCAPES_19
from segdata.spec import SPEC_KEY, ModelSpec
from segtrain.checkpoint import load_checkpoint, save_checkpoint
from segtrain.unet import UNet

SPEC = ModelSpec(
    height=32,
    width=32,
    label_space=CITYSCAPES_19.name,
    class_names=CITYSCAPES_19.names,
    colours=CITYSCAPES_19.colours,
    architecture="unet",
    options={"width": 8, "depth": 2},
    metrics={"miou": 0.25},
)


@pytest.fixture
def network() -> UNet:
    torch.manual_seed(0)
    network = UNet(19, 8, 2)
    network(torch.randn(4, 3, 32, 32))  # so that batch normalisation has statistics of its own
    return network.eval()


def test_weights_and_spec_come_back(network: UNet, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, SPEC)
    loaded, spec = load_checkpoint(path)
    assert spec == SPEC
    frames = torch.randn(2, 3, 32, 32)
    assert torch.allclose(loaded(frames), network(frames), atol=5e-3)
    assert loaded.training is False
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32, torch.int64}


def test_weights_are_stored_as_float16_and_statistics_as_float32(network: UNet, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, SPEC)
    stored = load_file(path)
    assert stored["stem.0.weight"].dtype == torch.float16
    assert stored["stem.1.running_var"].dtype == torch.float32
    assert torch.equal(stored["stem.1.running_var"], network.state_dict()["stem.1.running_var"])


def test_saving_twice_writes_the_same_bytes(network: UNet, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.safetensors", "b.safetensors")]
    for path in paths:
        save_checkpoint(path, network, SPEC)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def refused(path: Path, kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.safetensors", InputError)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    torch.save({"stem.0.weight": torch.zeros(1)}, path)
    assert "not a safetensors file" in refused(path, InputError)


def test_a_cut_file_is_refused(network: UNet, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, SPEC)
    path.write_bytes(path.read_bytes()[:-100])
    assert "not a safetensors file" in refused(path, InputError)


def test_safetensors_without_a_spec_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    assert "model spec" in refused(path, ContractError)


def test_tensors_of_another_network_are_refused(network: UNet, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, replace(SPEC, options={"width": 16, "depth": 2}))
    assert "tensors" in refused(path, ContractError)


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(1)}, path, {SPEC_KEY: replace(SPEC, architecture="deeplab").to_json()})
    assert "deeplab" in refused(path, ContractError)
