"""The roofline of an artefact on a device that need not be present, computed from its graph.

Estimates, never measurements: they have their own type and tables, and are not part of a benchmark's report.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from rich import box
from rich.table import Table
from rich.text import Text

from segbench.results import Card
from segdata.devices import VALUE_BYTES, Device, arithmetic_and_memory_seconds, device_reported, roofline_seconds
from segdata.errors import ContractError, EdgeSegError, InputError
from segdata.files import sha256_of
from segdata.spec import Precision
from segrun.runners.tensorrt.manifest import read_manifest

if TYPE_CHECKING:  # onnx comes with an extra: only estimates need it
    from segexport.graph.cost import LayerCost

Bound = Literal["arithmetic", "memory"]


@dataclass(frozen=True)
class Estimate:
    """The layers of one artefact and the device to estimate for.

    `layers` are the convolutions and matrix products of one run, `batch` frames; the cost of everything else is taken
    as zero. `sha256` is the artefact's, `precision` the one it declares.
    """

    artefact: str
    sha256: str
    precision: Precision
    batch: int
    device: Device
    layers: tuple["LayerCost", ...]

    @property
    def macs(self) -> float:
        """Multiply-accumulates a frame."""
        return sum(layer.macs for layer in self.layers) / self.batch

    @property
    def bytes_moved(self) -> float:
        """Bytes read and written a frame, each layer in its own precision and for itself."""
        return sum(layer.values * VALUE_BYTES[layer.precision] for layer in self.layers) / self.batch

    @property
    def frames_a_second(self) -> float:
        """The roofline of the artefact as it is: each layer in its own precision."""
        return self.batch / sum(self._seconds(layer) for layer in self.layers)

    @property
    def binds(self) -> Bound:
        """The limit that takes most of the time: arithmetic or memory."""
        waiting = dict.fromkeys(get_args(Bound), 0.0)
        for layer in self.layers:
            waiting[bound_of(layer, self.device)] += self._seconds(layer)
        return "arithmetic" if waiting["arithmetic"] >= waiting["memory"] else "memory"

    def frames_a_second_in(self, precision: Precision) -> float:
        """Return the roofline if every layer were of `precision`."""
        return self.batch / roofline_seconds(self.layers, self.device, precision)

    def _seconds(self, layer: "LayerCost") -> float:
        return roofline_seconds([layer], self.device, layer.precision)


def estimate(path: Path, device: Device) -> Estimate:
    """Return the roofline of an .onnx file of seg-export, or of an .engine by the ONNX file beside it, on `device`.

    Raises InputError if there is no such file, it is neither, or the engine's ONNX file is missing or has changed;
    ContractError if it is not edgeseg's, has nothing to estimate or an engine does not fit its manifest.
    """
    from segexport.graph.cost import cost_of_onnx
    from segexport.graph.onnx_file import read_onnx

    file = read_onnx(_graph_of(path))
    try:
        layers = cost_of_onnx(file.model).layers
    except ContractError as error:
        raise ContractError(f"{path}: {error}") from None
    if not layers:
        raise ContractError(f"{path}: no convolution in it, so nothing to estimate; export it again with seg-export")
    contract = file.contract
    return Estimate(path.name, sha256_of(path), contract.precision, contract.batch, device, layers)


def estimates_on_card(paths: Iterable[Path], card: Card | None) -> list[Estimate]:
    """Return the limits of the measured card for each engine among `paths`, where both are known."""
    device = device_reported(card.name) if card else None
    try:
        return [estimate(path, device) for path in paths if path.suffix == ".engine"] if device else []
    except (EdgeSegError, ImportError):  # its ONNX file is gone, or the library that reads it is not here
        return []


def bound_of(layer: "LayerCost", device: Device) -> Bound:
    """Return what a layer, in its own precision, waits for on `device`."""
    arithmetic, memory = arithmetic_and_memory_seconds(layer, device, layer.precision)
    return "arithmetic" if arithmetic >= memory else "memory"


def as_table(estimates: Sequence[Estimate]) -> Table:
    """Return one row an artefact: GMAC and MB (10^6 bytes) a frame, frames a second per precision, what binds.

    All `estimates`, one or more, are of one device.
    """
    device = estimates[0].device
    table = _table(f"Estimate, not a measurement: roofline on a {device.name}", device)
    table.add_column("artefact", overflow="fold")
    for heading in ("GMAC", "MB moved", "FPS fp32", "FPS fp16", "FPS int8", "bound by"):
        table.add_column(f"{heading}\nestimate", justify="right")
    for each in estimates:
        table.add_row(
            Text(each.artefact),
            f"{each.macs / 1e9:,.3f}",
            f"{each.bytes_moved / 1e6:,.1f}",
            *(f"{each.frames_a_second_in(precision):,.0f}" for precision in get_args(Precision)),
            each.binds,
        )
    return table


def layer_table(found: Estimate) -> Table:
    """Return one row a layer: MACs in millions, MB (10^6 bytes), microseconds in its own precision, what binds."""
    table = _table(f"Estimate, not a measurement: layers of {found.artefact} on a {found.device.name}", found.device)
    table.add_column("layer", overflow="fold")
    table.add_column("precision")
    for heading in ("million MACs", "MB moved", "microseconds", "bound by"):
        table.add_column(f"{heading}\nestimate", justify="right")
    for layer in found.layers:
        table.add_row(
            Text(layer.name),
            layer.precision,
            f"{layer.macs / found.batch / 1e6:,.2f}",
            f"{layer.values * VALUE_BYTES[layer.precision] / found.batch / 1e6:,.3f}",
            f"{1e6 * roofline_seconds([layer], found.device, layer.precision) / found.batch:,.1f}",
            bound_of(layer, found.device),
        )
    return table


def _table(title: str, device: Device) -> Table:
    caption = f"An upper bound: real engines stay well below it. Peaks: {device.source}."
    # Names of artefacts fit the 80 characters of a plain terminal only without a frame.
    return Table(
        title=Text(title),
        caption=Text(caption),
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )


def _graph_of(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path}: no such file; need an .onnx or .engine from seg-export")
    if path.suffix == ".onnx":
        return path
    if path.suffix != ".engine":
        raise InputError(f"{path}: got a {path.suffix or 'file without suffix'}, need .onnx or .engine from seg-export")
    from segexport.graph.onnx_file import onnx_of

    manifest = read_manifest(path)
    beside = onnx_of(path, manifest)
    if beside is None:
        raise InputError(f"{path}: need {manifest.onnx}, which it was built from, beside it; or estimate an .onnx file")
    return beside
