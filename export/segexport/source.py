"""The source of an export: a network with its spec, and the dataset that calibrates and proves."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import torch

from segdata.dataset.dataset import Dataset, dataset_for
from segdata.errors import ContractError, InputError
from segdata.files import sha256_of
from segdata.shipped import checkpoint_file, shipped_checkpoint, split_name
from segdata.spec import ModelSpec, Precision
from segexport.graph.confidence import without_confidence
from segexport.graph.deployable import DeployableGraph
from segexport.graph.onnx_file import read_onnx
from segexport.graph.to_onnx import to_half, to_onnx
from segexport.options import ExportOptions, export_name
from segrun.runners.base import Frames, Labels
from segrun.runners.onnxruntime import OnnxRuntimeRunner
from segtrain.network.base import Network
from segtrain.network.checkpoint import load_checkpoint

WRAPPED = "onnx"
"""The architecture that the spec of a network from elsewhere names."""


@dataclass(frozen=True)
class Source(ABC):
    """A file with a network and its spec; `weights` is the file's SHA-256, `name` what its exports are called.

    `has_confidence` says whether the file itself gives a confidence, which its exports keep."""

    file: Path
    name: str
    weights: str
    spec: ModelSpec
    dataset: Dataset | None
    has_confidence: bool

    @abstractmethod
    def model(self, precision: Precision, batch: int) -> onnx.ModelProto:
        """Return the ONNX model in "fp32" or "fp16" for `batch` frames at once; raise InputError if there is none."""

    @abstractmethod
    def reference(self) -> Callable[[Frames], Labels]:
        """Return the function from frames uint8 [1, H, W, 3] to labels uint8 [1, H, W] that exports must equal."""


@dataclass(frozen=True)
class Checkpoint(Source):
    """A network that seg-train made."""

    network: Network

    def model(self, precision: Precision, batch: int) -> onnx.ModelProto:
        """Return the network as PyTorch exports it."""
        return to_onnx(self.network, self.spec, precision, batch, self.weights)

    def reference(self) -> Callable[[Frames], Labels]:
        """Return the network itself, in float32 PyTorch."""
        graph = DeployableGraph(self.network, self.spec)

        def labels(frames: Frames) -> Labels:
            with torch.inference_mode():
                return np.asarray(graph(torch.from_numpy(np.array(frames))).numpy())

        return labels


@dataclass(frozen=True)
class Wrapped(Source):
    """A network from elsewhere, as seg-export wrap wrote it in float32."""

    wrapped: onnx.ModelProto

    def model(self, precision: Precision, batch: int) -> onnx.ModelProto:
        """Return the network as it is, or with its inside in float16."""
        if batch != 1:
            raise InputError(f"got --batch {batch}, a wrapped network takes one frame at a time; leave it out")
        return self.wrapped if precision == "fp32" else to_half(self.wrapped)

    def reference(self) -> Callable[[Frames], Labels]:
        """Return the wrapped file, run by ONNX Runtime: it was proved equal to the original."""
        return OnnxRuntimeRunner(self.file)


def with_named_precision(options: ExportOptions) -> ExportOptions:
    """Return the options with the precision that the name of a shipped model ends in: unet-128.fp16 is fp16 alone.

    Raises InputError if another precision was asked for.
    """
    name, suffix = (None, "") if options.checkpoint is None else split_name(options.checkpoint)
    named: tuple[Precision, ...] = tuple(each for each in get_args(Precision) if each == suffix)
    if name is None or not named:
        return options
    if options.precisions not in ((), named):
        asked = " ".join(f"--{each}" for each in options.precisions)
        raise InputError(f"got {options.checkpoint} and {asked}, two precisions; leave one out")
    return replace(options, checkpoint=Path(name), precisions=named)


def read_source(options: ExportOptions) -> Source:
    """Return the source that `options` name; raise InputError or ContractError if it cannot be read or does not fit."""
    if options.checkpoint is not None and options.size is not None:
        raise InputError(f"got {options.checkpoint} and --size {options.size}; --size names a shipped model: give one")
    file = checkpoint_file(options.checkpoint) if options.checkpoint else shipped_checkpoint(options.size)
    if file.suffix.lower() == ".onnx":
        return _read_wrapped(file, options)
    network, spec = load_checkpoint(file)
    return Checkpoint(file, export_name(file), sha256_of(file), spec, _dataset(options, spec), False, network)


def _read_wrapped(file: Path, options: ExportOptions) -> Wrapped:
    found = read_onnx(file)
    spec, precision = found.contract.spec, found.contract.precision
    if spec.architecture != WRAPPED:
        raise InputError(f"{file}: an export of edgeseg already; export the checkpoint that it was made from")
    if precision != "fp32":
        raise ContractError(f"{file}: is in {precision}, need the .fp32.onnx that seg-export wrap wrote")
    name = file.name.removesuffix(".onnx").removesuffix(".fp32")
    model = without_confidence(found.model)
    dataset = _dataset(options, spec)
    return Wrapped(file, name, found.contract.weights, spec, dataset, found.contract.confidence, model)


def _dataset(options: ExportOptions, spec: ModelSpec) -> Dataset | None:
    dataset = dataset_for(options.calibration, spec) if options.calibration else None
    if dataset is not None:
        dataset.check_fits(spec)
    return dataset
