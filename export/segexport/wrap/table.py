"""What was found in a network and chosen for it, as a table."""

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from segexport.wrap.wrap import Wrapped


def as_table(made: Wrapped) -> Table:
    """Return a row for each thing that was found or chosen."""
    foreign, meaning, spec = made.foreign, made.meaning, made.spec
    opset = foreign.model.opset_import[0].version
    was = next(entry.version for entry in foreign.original.opset_import if entry.domain in ("", "ai.onnx"))
    layout = "[1, 3, H, W]" if foreign.channels_first else "[1, H, W, 3]"
    enlarged = "" if meaning.size == foreign.size else f", enlarged from {meaning.size}"
    table = Table(title=f"{foreign.path.name} under the graph contract", box=SIMPLE_HEAD)
    table.add_column("")
    table.add_column("found and chosen", overflow="fold")
    numbers = [
        ", ".join(f"{value:g}" for value in values) for values in (made.normalisation.mean, made.normalisation.std)
    ]
    rows = {
        "made by": spec.producer or "unknown",
        "operators": f"set {was}" + (f", converted to {opset}" if opset != was else ""),
        "input": f"{foreign.input}: {np.dtype(foreign.dtype).name} {layout}, {foreign.size}",
        "pixels": f"(value - {numbers[0]}) / {numbers[1]}",
        "output": f"{meaning.name}: {meaning.kind} ({meaning.note}){enlarged}",
        **({"confidence": "255 times the probability of each label"} if made.has_confidence else {}),
        "classes": f"{spec.label_space}, {spec.class_count}",
        "licence": spec.licence or "not said; --licence names it",
        "equal pixels": f"{made.equal:.3%} of generated scenes, against the original",
    }
    for name, text in rows.items():
        table.add_row(name, text)
    return table
