"""The tables of an inspection: facts, layers, and what runs the file here."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from segdata.spec import ModelSpec
from segexport.graph.cost import GraphCost
from segexport.inspect.compatibility import Compatibility
from segrun.runners.tensorrt.manifest import EngineManifest, Verification

Rows = list[tuple[str, str]]
"""Facts: the name and the value of each."""


def facts_table(title: str, rows: Rows) -> Table:
    """Return a row for each fact; long ones wrap."""
    table = Table(show_header=False, box=None, title=Text(title), title_justify="left")
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(value))  # Text: brackets in a name are not markup
    return table


def spec_rows(spec: ModelSpec) -> Rows:
    """Return what a model's spec says."""
    options = "".join(f", {name} {value}" for name, value in spec.options.items())
    metrics = ", ".join(f"{name} {100 * value:.2f} %" for name, value in (spec.metrics or {}).items())
    return [
        ("network", f"{spec.architecture}{options}"),
        ("frames", f"height {spec.height}, width {spec.width}, {spec.channel_order}"),
        ("normalisation", f"mean {_triple(spec.mean)}, standard deviation {_triple(spec.std)}"),
        ("label space", f"{spec.label_space}, {spec.class_count} classes"),
        ("classes", ", ".join(spec.class_names)),
        ("metrics", metrics or "none"),
        *_origin_rows(spec),
    ]


def _origin_rows(spec: ModelSpec) -> Rows:
    if spec.source:
        rows = [
            ("made from", f"{spec.source}, SHA-256 {spec.source_sha256}"),
            ("made by", spec.producer or "unknown"),
            ("licence", spec.licence or "not said"),
        ]
    else:
        rows = [("trained with", f"edgeseg {spec.edgeseg_version or 'of unknown version'}")]
    if spec.pretrained:
        rows.append(("began with", spec.pretrained))
    if spec.unknown:
        rows.append(("not known here", f"{', '.join(spec.unknown)}: fields of a later edgeseg"))
    return rows


def manifest_rows(manifest: EngineManifest) -> Rows:
    """Return what the manifest of an engine says; that it fits was checked when it was read."""
    return [
        ("manifest", "fits the engine"),
        ("built from", f"{manifest.onnx}, SHA-256 {manifest.onnx_sha256}"),
        ("built by", f"{manifest.flavour} {manifest.version}"),
        ("built for", f"{manifest.target} (compute capability {manifest.compute_capability})"),
        ("ONNX verified", _proof(manifest.verification) if manifest.verification else "no"),
        ("engine run on", manifest.verified_on),
        ("rebuild with", manifest.rebuild),
    ]


def layer_table(graph: GraphCost) -> Table:
    """Return what each layer computes in and costs."""
    table = Table(title="Layers", title_justify="left")
    for heading in ("layer", "operator", "precision"):
        table.add_column(heading)
    for heading in ("million MACs", "share", "parameters"):
        table.add_column(heading, justify="right")
    for layer in graph.layers:
        table.add_row(
            Text(layer.name),
            layer.operator,
            layer.precision,
            f"{layer.macs / 1e6:,.2f}",
            f"{layer.macs / graph.macs:.1%}",
            f"{layer.parameters:,}",
        )
    return table


def compatibility_table(compatibility: Sequence[Compatibility]) -> Table:
    """Return which runners run the file on this machine, and why."""
    table = Table(title="On this machine", title_justify="left", show_header=False)
    for _ in range(3):
        table.add_column()
    for item in compatibility:
        table.add_row(item.runner, "runs" if item.runs else "does not run", Text("\n".join(item.reasons)))
    return table


def _proof(verification: Verification) -> str:
    kept = "" if verification.enforced else "; kept whatever the result"
    miou = ""
    if verification.miou is not None and verification.miou_change is not None:
        miou = f", mIoU {100 * verification.miou:.2f} ({100 * verification.miou_change:+.2f})"
    equal = f"{verification.equal_pixels:.2%} equal pixels"
    return f"{equal}{miou}, on {verification.frames} with {verification.runners}{kept}"


def _triple(values: tuple[float, float, float]) -> str:
    return " ".join(f"{value:g}" for value in values)
