"""The small dataset, the small network and its exports that tests of several folders share."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import torch

from segdata.command_line.progress import Silent
from segdata.dataset.dataset import Dataset
from segdata.images.size import Size
from segdata.labels import CITYSCAPES_29
from segdata.options import PrepareOptions, SynthOptions
from segdata.prepare.prepare import prepare
from segdata.spec import ModelSpec, Precision
from segdata.synth.write import write_synthetic
from segexport.graph.to_onnx import to_onnx
from segexport.quantise.calibrate import measure_ranges
from segexport.quantise.to_int8 import to_int8
from segtrain.network.base import Network
from segtrain.network.checkpoint import build_network, load_checkpoint, save_checkpoint

with suppress(ImportError, AttributeError):  # PyTorch's own, which another version may have elsewhere
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    # Each export reads all translations to ONNX anew, which is a third of its time: here they are read once.
    ONNXRegistry.from_torchlib = staticmethod(cache(ONNXRegistry.from_torchlib))  # type: ignore[method-assign]

SIZE = 64  # pixels a side, of the dataset and of the network
TRAINING_STEPS = 40


@dataclass(frozen=True)
class Artefacts:
    """A small UNet, and its exports: `network` is what the checkpoint holds, `onnx` has one file a precision."""

    checkpoint: Path
    spec: ModelSpec
    network: Network
    onnx: dict[Precision, Path]


def write_dataset(folder: Path) -> None:
    """Write `pairs`, and what `prepare` makes of it to `prepared`."""
    write_synthetic(SynthOptions(target=folder / "pairs", train=40, val=160, size=Size(SIZE, SIZE), seconds=0))
    prepare(PrepareOptions(source=folder / "pairs", target=folder / "prepared", sizes=(Size(SIZE, SIZE),)))


def write_artefacts(folder: Path, dataset: Dataset) -> None:
    """Train, until margins are real (argmax of random weights is decided by rounding), and export."""
    spec = ModelSpec(
        SIZE, SIZE, CITYSCAPES_29.name, CITYSCAPES_29.names, CITYSCAPES_29.colours, "unet", {"width": 16, "depth": 3}
    )
    checkpoint = folder / "small.safetensors"
    save_checkpoint(checkpoint, _trained(spec, dataset), spec)
    network, spec = load_checkpoint(checkpoint)
    models: dict[Precision, onnx.ModelProto] = {
        "fp32": to_onnx(network, spec, "fp32"), "fp16": to_onnx(network, spec, "fp16")
    }  # fmt: skip
    ranges = measure_ranges(models["fp32"], dataset.calibration(), "0" * 64, "percentile", Silent())
    models["int8"] = to_int8(models["fp32"], ranges)
    for precision, model in models.items():
        onnx.save(model, folder / f"small.{precision}.onnx")


def read_artefacts(folder: Path) -> Artefacts:
    """Read what `write_artefacts` wrote."""
    checkpoint = folder / "small.safetensors"
    network, spec = load_checkpoint(checkpoint)
    return Artefacts(checkpoint, spec, network, {name: folder / f"small.{name}.onnx" for name in get_args(Precision)})


def _trained(spec: ModelSpec, dataset: Dataset) -> Network:
    torch.manual_seed(0)
    network = build_network(spec).train()
    split = dataset.split("train")
    frames = torch.from_numpy(np.array(split.images)).permute(0, 3, 1, 2).float()
    inputs = (frames - torch.tensor(spec.mean).view(3, 1, 1)) / torch.tensor(spec.std).view(3, 1, 1)
    truth = torch.from_numpy(np.array(split.labels)).long()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(TRAINING_STEPS):
        batch = torch.randint(len(split), (8,))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs[batch]), truth[batch], ignore_index=255).backward()
        optimizer.step()
    return network.eval()
