"""What an export starts from: a checkpoint, its network, and the dataset that calibrates and proves."""

from dataclasses import dataclass
from pathlib import Path

from segdata.dataset import Dataset, dataset_for
from segdata.errors import InputError
from segdata.files import sha256_of
from segdata.shipped import shipped_checkpoint
from segdata.spec import ModelSpec
from segexport.options import ExportOptions, export_name
from segtrain.network.base import Network
from segtrain.network.checkpoint import load_checkpoint


@dataclass(frozen=True)
class Source:
    """A checkpoint with its network and spec; `weights` is the file's SHA-256, `name` what its exports are called."""

    checkpoint: Path
    name: str
    weights: str
    network: Network
    spec: ModelSpec
    dataset: Dataset | None


def read_source(options: ExportOptions) -> Source:
    """Return what `options` name; raise InputError or ContractError for what cannot be read or does not fit."""
    if options.checkpoint is not None and options.size is not None:
        raise InputError(f"got {options.checkpoint} and --size {options.size}; --size names a shipped model: give one")
    checkpoint = options.checkpoint or shipped_checkpoint(options.size)
    network, spec = load_checkpoint(checkpoint)
    dataset = dataset_for(options.calibration, spec) if options.calibration else None
    if dataset is not None:
        dataset.check_fits(spec)
    return Source(checkpoint, export_name(checkpoint), sha256_of(checkpoint), network, spec, dataset)
