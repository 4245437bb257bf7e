"""Inspects an artefact: its spec, its cost, its origin, and whether this machine can run it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Group, RenderableType

from segdata.errors import ContractError, InputError
from segdata.files import sha256_of
from segdata.spec import ModelSpec, Precision
from segexport.graph.cost import GraphCost, cost_of_onnx
from segexport.graph.onnx_file import onnx_of, read_onnx
from segexport.inspect.compatibility import (
    Compatibility,
    checkpoint_compatibility,
    engine_compatibility,
    onnx_compatibility,
)
from segexport.inspect.tables import Rows, compatibility_table, facts_table, layer_table, manifest_rows, spec_rows
from segrun.runners.tensorrt.manifest import EngineManifest, read_manifest

Kind = Literal["onnx", "engine", "checkpoint"]


@dataclass(frozen=True)
class Inspection:
    """What `inspect_file` found.

    `size` is in bytes. `macs` are the multiply-accumulates of one run of `batch` frames. `precision` is None for a
    checkpoint, which takes its precision at export. `graph` is the ONNX file's cost, of an engine that of the ONNX file
    it was built from. That, `batch`, `parameters`, `macs` and `calibration_frames` (how many frames calibrated INT8)
    are None for an engine whose ONNX file is no longer beside it; so is `confidence`, whether it has that output.
    """

    path: Path
    kind: Kind
    size: int
    sha256: str
    spec: ModelSpec
    precision: Precision | None
    batch: int | None
    parameters: int | None
    macs: int | None
    calibration_frames: int | None
    confidence: bool | None
    graph: GraphCost | None
    manifest: EngineManifest | None
    compatibility: tuple[Compatibility, ...]


def inspect_file(path: Path) -> Inspection:
    """Return what `path`, an .onnx, .engine or .safetensors file, is, without running a network or loading an engine.

    Raises InputError if there is no such file, it has another suffix or it is not what its suffix says, ContractError
    if it is not edgeseg's or an engine does not fit its manifest, MissingDependencyError for a checkpoint without
    PyTorch.
    """
    readers = {".onnx": _inspect_onnx, ".engine": _inspect_engine, ".safetensors": _inspect_checkpoint}
    if not path.is_file():
        raise InputError(f"{path}: no such file; need an artefact written by seg-train or seg-export")
    if path.suffix not in readers:
        found = path.suffix or "file without suffix"
        raise InputError(f"{path}: got a {found}, need {', '.join(readers)} from seg-train or seg-export")
    try:
        return readers[path.suffix](path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); name another file") from None


def to_json(inspection: Inspection) -> str:
    """Return the inspection as indented JSON, `format` 1; every field is present, unknown ones are null.

    - `format`: 1; a field may be added to it, none removed or changed
    - `path`, `kind` ("onnx", "engine", "checkpoint"), `size` (bytes), `sha256` (64 hexadecimal digits)
    - `spec`: the ModelSpec, as artefacts carry it
    - `precision` ("fp32", "fp16", "int8", null for a checkpoint), `batch`, `parameters`, `macs` (of one run of `batch`
      frames), `calibration_frames`, `confidence` (whether the artefact gives it beside the labels)
    - `graph` (null for a checkpoint): `layers`, each `name`, `operator`, `precision`, `macs`, `values` (read and
      written, weights among them), `parameters`; the totals `parameters` and `macs`; `int8_share` (of the MACs, 0 to
      1); `int8_convolutions` (names); `lone_pairs` (names of QuantizeLinear and DequantizeLinear)
    - `manifest` (null except for an engine): the engine's manifest without the spec
    - `compatibility`: for each runner `runner`, `runs` (true or false here) and `reasons` (lines)
    """
    values = asdict(inspection)
    values["spec"] = json.loads(inspection.spec.to_json())
    if values["manifest"] is not None:
        del values["manifest"]["spec"]
    return json.dumps({"format": 1, **values, "path": str(inspection.path)}, indent=1)


def render(inspection: Inspection) -> RenderableType:
    """Return what `seg-export inspect` shows: the facts, the layers if they are known, what runs the file here."""
    rows = [
        ("kind", inspection.kind),
        ("size", f"{inspection.size:,} bytes"),
        ("SHA-256", inspection.sha256),
        *spec_rows(inspection.spec),
        *_cost_rows(inspection),
        *(manifest_rows(inspection.manifest) if inspection.manifest else []),
    ]
    layers = [layer_table(inspection.graph)] if inspection.graph else []
    return Group(facts_table(str(inspection.path), rows), *layers, compatibility_table(inspection.compatibility))


def _cost_rows(inspection: Inspection) -> Rows:
    graph = inspection.graph
    rows: Rows = [("precision", inspection.precision or "chosen at export")]
    if inspection.confidence:
        rows.append(("outputs", "labels and confidence"))
    if inspection.precision == "int8" and graph:
        pairs = ", ".join(" and ".join(pair) for pair in graph.lone_pairs)
        rows.append(("in int8", f"{graph.int8_share:.1%} of the MACs, {len(graph.int8_convolutions)} convolutions"))
        rows.append(("lone Q/DQ pairs", pairs or "none"))
    if inspection.calibration_frames:
        rows.append(("calibrated on", f"{inspection.calibration_frames} frames"))
    if inspection.parameters is not None and inspection.macs is not None:
        frames = "a frame" if inspection.batch == 1 else f"{inspection.batch} frames"
        rows.append(("parameters", f"{inspection.parameters:,}"))
        rows.append(("MACs", f"{inspection.macs:,} for {frames}"))
    return rows


def _inspect_onnx(path: Path) -> Inspection:
    return Inspection(
        path=path,
        kind="onnx",
        size=path.stat().st_size,
        sha256=sha256_of(path),
        manifest=None,
        compatibility=onnx_compatibility(),
        **_facts_of_onnx(path),
    )


def _inspect_engine(path: Path) -> Inspection:
    manifest = read_manifest(path)
    onnx_file = onnx_of(path, manifest)
    unknown = dict.fromkeys(("batch", "parameters", "macs", "calibration_frames", "confidence", "graph"))
    facts = _facts_of_onnx(onnx_file) if onnx_file else unknown
    return Inspection(
        path=path,
        kind="engine",
        size=path.stat().st_size,
        sha256=manifest.engine_sha256,
        manifest=manifest,
        compatibility=engine_compatibility(manifest),
        **{**facts, "spec": manifest.spec, "precision": manifest.precision},
    )


def _facts_of_onnx(path: Path) -> dict[str, Any]:
    file = read_onnx(path)
    try:
        graph = cost_of_onnx(file.model)
    except ContractError as error:
        raise ContractError(f"{path}: {error}") from None
    return {
        "spec": file.contract.spec,
        "precision": file.contract.precision,
        "batch": file.contract.batch,
        "parameters": graph.parameters,
        "macs": graph.macs,
        "calibration_frames": len(file.contract.calibration_frames),
        "confidence": file.contract.confidence,
        "graph": graph,
    }


def _inspect_checkpoint(path: Path) -> Inspection:
    from segtrain.network.checkpoint import load_checkpoint  # PyTorch, which the others need not have
    from segtrain.report.summary import cost_of

    _, spec = load_checkpoint(path)
    cost = cost_of(spec)
    return Inspection(
        path=path,
        kind="checkpoint",
        size=path.stat().st_size,
        sha256=sha256_of(path),
        spec=spec,
        precision=None,
        batch=1,
        parameters=cost.parameters,
        macs=cost.macs,
        calibration_frames=None,
        confidence=None,
        graph=None,
        manifest=None,
        compatibility=checkpoint_compatibility(),
    )
