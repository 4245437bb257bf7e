"""The source of an export: a network with its spec, and the dataset that calibrates and proves."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from segdata.dataset import Dataset, dataset_for
from segdata.errors import ContractError, InputError
from segdata.files import sha256_of
from segdata.shipped import checkpoint_file, shipped_checkpoint
from segdata.spec import ModelSpec, Precision
from segexport.graph.confidence import without_confidence
from segexport.graph.deployable import DeployableGraph
from segexport.graph.onnx_file import read_onnx
from segexport.graph.to_half import to_half
from segexport.graph.to_onnx import to_onnx
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
        """Return the ONNX model in "fp32" or "fp16" for so many frames at once; raise InputError if there is none."""

    @abstractmethod
    def reference(self) -> Callable[[Frames], Labels]:
        """Return what says, of frames uint8 [1, H, W, 3], the labels uint8 [1, H, W] that all exports are held to."""


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
        """Return the wrapped file, run by ONNX Runtime: that it says what the original does was proved."""
        return OnnxRuntimeRunner(self.file)


def read_source(options: ExportOptions) -> Source:
    """Return what `options` name; raise InputError or ContractError for what cannot be read or does not fit."""
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
