"""Checkpoints: what was saved is loaded again, with its spec, and other files are refused."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from segdata.errors import ContractError, InputError
from segdata.labels import CITYSCAPES_8, CITYSCAPES_19
from segdata.spec import SPEC_KEY, ModelSpec
from segtrain.network.base import Network
from segtrain.network.checkpoint import build_network, load_checkpoint, save_checkpoint, start_from
from segtrain.network.presets import Architecture
from segtrain.network.unet import UNet

Refused = Callable[..., AbstractContextManager[None]]

SPEC = ModelSpec(
    height=32,
    width=32,
    label_space=CITYSCAPES_19.name,
    class_names=CITYSCAPES_19.names,
    colours=CITYSCAPES_19.colours,
    architecture="unet",
    options=Architecture(width=8, depth=2).options(),
    metrics={"miou": 0.25},
)


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    network = build_network(SPEC)
    network(torch.randn(4, 3, 32, 32))  # so that batch normalisation has statistics of its own
    return network.eval()


def test_weights_and_spec_come_back(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, SPEC)
    loaded, spec = load_checkpoint(path)
    assert spec == SPEC
    frames = torch.randn(2, 3, 32, 32)
    assert torch.allclose(loaded(frames), network(frames), atol=5e-3)
    assert loaded.training is False
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32, torch.int64}


def test_weights_are_stored_as_float16_and_statistics_as_float32(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, SPEC)
    stored = load_file(path)
    assert stored["stem.0.0.weight"].dtype == torch.float16
    assert stored["stem.0.1.running_var"].dtype == torch.float32
    assert torch.equal(stored["stem.0.1.running_var"], network.state_dict()["stem.0.1.running_var"])


def test_saving_twice_writes_the_same_bytes(network: Network, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.safetensors", "b.safetensors")]
    for path in paths:
        save_checkpoint(path, network, SPEC)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_missing_file_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused("no such file", InputError):
        load_checkpoint(tmp_path / "none.safetensors")


def test_a_pickle_is_refused_and_not_run(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "a.safetensors"
    torch.save({"stem.0.0.weight": torch.zeros(1)}, path)
    with refused("not a safetensors file", InputError):
        load_checkpoint(path)


def test_a_cut_file_is_refused(network: Network, tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, SPEC)
    path.write_bytes(path.read_bytes()[:-100])
    with refused("not a safetensors file", InputError):
        load_checkpoint(path)


def test_safetensors_without_a_spec_are_refused(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with refused("model spec", ContractError):
        load_checkpoint(path)


def test_tensors_of_another_network_are_refused(network: Network, tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, replace(SPEC, options=Architecture(width=16, depth=2).options()))
    with refused("tensors", ContractError):
        load_checkpoint(path)


def test_an_unknown_architecture_is_refused(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(1)}, path, {SPEC_KEY: replace(SPEC, architecture="deeplab").to_json()})
    with refused("deeplab", ContractError):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"blocks": "plain"}, "blocks"),
        ({"block": "dense"}, "block"),
        ({"upsample": "shuffle"}, "upsample"),
        ({"stem_stride": 4}, "stem_stride"),
        ({"width": "wide"}, "width"),
        ({"width": 0}, "width"),
        ({"depth": -1}, "depth"),
        ({"widest": 0}, "widest"),
    ],
    ids=str,
)
def test_options_that_no_unet_has_are_refused_by_name(
    change: dict[str, int | str], words: str, network: Network, tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, replace(SPEC, options=SPEC.options | change))
    with refused(f"unet.*{words}", ContractError):
        load_checkpoint(path)


def test_a_width_that_is_missing_is_refused(network: Network, tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, replace(SPEC, options={"depth": 2}))
    with refused("width", ContractError):
        load_checkpoint(path)


def test_a_network_is_the_same_by_its_spec_and_by_the_same_words(network: Network) -> None:
    """A default in two places could make two networks from one description."""
    by_spec = build_network(replace(SPEC, options={"width": 8})).eval()
    by_hand = UNet(19, 8).eval()
    by_hand.load_state_dict(by_spec.state_dict())
    frames = torch.randn(1, 3, 32, 32)
    assert torch.equal(by_spec(frames), by_hand(frames))


def test_training_starts_from_weights_of_another_size(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, SPEC)
    larger = replace(SPEC, height=64, width=128, metrics=None)
    fresh = build_network(larger)
    start_from(path, fresh, larger)
    trained = load_checkpoint(path)[0].state_dict()
    assert all(torch.equal(tensor, trained[name]) for name, tensor in fresh.state_dict().items())


def test_training_starts_from_weights_for_other_classes_with_a_head_of_its_own(
    network: Network, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, SPEC)
    other = replace(SPEC, label_space=CITYSCAPES_8.name, class_names=CITYSCAPES_8.names, colours=CITYSCAPES_8.colours)
    fresh = build_network(other)
    before = {name: tensor.clone() for name, tensor in fresh.state_dict().items()}
    start_from(path, fresh, other)
    trained = load_checkpoint(path)[0].state_dict()
    for name, tensor in fresh.state_dict().items():
        assert torch.equal(tensor, before[name] if name.startswith("head.") else trained[name]), name


def test_as_many_classes_of_other_names_leave_the_head_alone_too(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, SPEC)
    turned = replace(SPEC, class_names=SPEC.class_names[::-1])
    fresh = build_network(turned)
    before = fresh.head.weight.detach().clone()
    start_from(path, fresh, turned)
    assert torch.equal(fresh.head.weight, before)


@pytest.mark.parametrize("change", [{"width": 16}, {"block": "separable"}, {"stem_stride": 1}], ids=str)
def test_training_does_not_start_from_another_architecture(
    change: dict[str, int | str], network: Network, tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, SPEC)
    spec = replace(SPEC, options=SPEC.options | change)
    (name,) = change
    words = f"--{name.replace('_', '-')} {SPEC.options[name]}"
    with refused(f"a UNet of another architecture than this run's; train with {words}$", InputError):
        start_from(path, build_network(spec), spec)
