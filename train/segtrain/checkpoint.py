"""Checkpoints: safetensors with the ModelSpec inside. Nothing is ever unpickled."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from segdata.errors import ContractError, InputError
from segdata.files import replacing
from segdata.spec import SPEC_KEY, ModelSpec
from segtrain.unet import UNet


def build_network(spec: ModelSpec) -> UNet:
    """Return an untrained network of the architecture `spec` names; raise ContractError if there is none such."""
    if spec.architecture != "unet" or set(spec.options) != {"width", "depth"}:
        raise ContractError(
            f"got architecture {spec.architecture!r} with options {sorted(spec.options)}, need 'unet' with depth, width"
        )
    return UNet(spec.class_count, **spec.options)


def save_checkpoint(path: Path, network: UNet, spec: ModelSpec) -> None:
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


def load_checkpoint(path: Path) -> tuple[UNet, ModelSpec]:
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
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file ({error}); need one written by seg-train") from None
    if SPEC_KEY not in metadata:
        raise ContractError(f"{path}: a safetensors file without edgeseg's model spec; need one written by seg-train")
    spec = ModelSpec.from_json(metadata[SPEC_KEY], origin=str(path))
    network = build_network(spec)
    floats = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    try:
        network.load_state_dict(floats)
    except RuntimeError:
        raise ContractError(f"{path}: its tensors are not those of the network its spec names; train again") from None
    return network.eval(), spec
