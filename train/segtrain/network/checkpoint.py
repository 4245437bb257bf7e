"""Checkpoints: safetensors with the ModelSpec inside. Nothing is ever unpickled."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from segdata.errors import ContractError, InputError
from segdata.files import replacing
from segdata.spec import SPEC_KEY, ModelSpec
from segdata.text import first_problem
from segtrain.network.base import Network
from segtrain.network.lite_unet import LiteUNet
from segtrain.network.presets import Architecture, LiteArchitecture
from segtrain.network.unet import UNet

NETWORKS: dict[type[Architecture] | type[LiteArchitecture], type[Network]] = {
    Architecture: UNet,
    LiteArchitecture: LiteUNet,
}
"""The networks by the class of their options. A new one is a file, its options in `presets`, and a line here."""


def build_network(spec: ModelSpec) -> Network:
    """Return an untrained network of the architecture `spec` names; raise ContractError if it is unknown."""
    kinds = {kind.name: kind for kind in NETWORKS}
    if spec.architecture not in kinds:
        raise ContractError(f"got architecture {spec.architecture[:80]!r}, need {' or '.join(map(repr, kinds))}")
    try:
        architecture = TypeAdapter(kinds[spec.architecture]).validate_python(spec.options)
    except ValidationError as error:
        raise ContractError(
            f"got architecture {spec.architecture!r}: {first_problem(error)}; need the options of a UNet"
        ) from None
    if spec.height % architecture.multiple or spec.width % architecture.multiple:
        raise ContractError(
            f"got a UNet of frames {spec.width}x{spec.height}, need sides divisible by {architecture.multiple}"
        )
    return NETWORKS[type(architecture)](spec.class_count, **asdict(architecture))


def start_from(path: Path, network: Network, spec: ModelSpec) -> ModelSpec:
    """Put the weights of the checkpoint `path` into `network`: of the same architecture, at any size.

    Returns `spec` with what those weights started from. A head for other classes is left as it is. Raises what
    `load_checkpoint` does, and InputError for another architecture.
    """
    trained, its_spec = load_checkpoint(path)
    if (its_spec.architecture, its_spec.options) != (spec.architecture, spec.options):
        others = {name: value for name, value in its_spec.options.items() if spec.options.get(name) != value}
        words = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in others.items())
        raise InputError(f"{path}: a UNet of another architecture than this run's; train with {words}")
    weights = trained.state_dict()
    if its_spec.class_names != spec.class_names:
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith("head.")}
    network.load_state_dict(weights, strict=False)
    return replace(spec, pretrained=its_spec.pretrained)


def save_checkpoint(path: Path, network: Network, spec: ModelSpec) -> None:
    """Write weights as float16 and everything that is a vector (biases, batch-norm statistics) as float32.

    Half the size for shipping and, measured, the same mIoU; the statistics of batch normalisation can fall among
    float16's subnormals, and are small.
    """
    tensors = {
        name: (tensor.half() if tensor.ndim > 1 else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={SPEC_KEY: spec.to_json()}))


def load_checkpoint(path: Path) -> tuple[Network, ModelSpec]:
    """Return the float32 network, in evaluation mode, and its spec.

    Raises InputError if the file is missing or no safetensors file, ContractError if its spec or its tensors are not
    those of an edgeseg checkpoint.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; need a checkpoint (.safetensors) written by seg-train")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError):
        raise InputError(
            f"{path}: not a safetensors file, or a damaged one; need a checkpoint written by seg-train"
        ) from None
    if path.name == "last.safetensors" and SPEC_KEY not in metadata:
        raise ContractError(
            f"{path}: what --resume goes on from, no finished weights; take {path.with_name('best.safetensors')}"
        )
    if SPEC_KEY not in metadata:
        raise ContractError(f"{path}: a safetensors file without edgeseg's model spec; need one written by seg-train")
    spec = ModelSpec.from_json(metadata[SPEC_KEY], origin=str(path))
    floats = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    try:
        with torch.device("meta"):  # its spec may ask for more than there is memory
            wanted = signature_of(build_network(spec).state_dict())
    except ContractError as error:
        raise ContractError(f"{path}: {error}") from None
    if signature_of(floats) != wanted:
        raise ContractError(f"{path}: its tensors are not those of the network its spec names; train again")
    network = build_network(spec)
    network.load_state_dict(floats)
    return network.eval(), spec


def signature_of(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Return the shape and the type of each tensor."""
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
