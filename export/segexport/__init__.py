"""Export: ONNX, calibration, INT8, the proof, engines."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segexport.graph.to_onnx import to_onnx
    from segexport.inspect.inspection import inspect_file
    from segexport.options import EngineOptions, ExportOptions

__all__ = ["EngineOptions", "ExportOptions", "__version__", "inspect_file", "to_onnx"]
__version__ = version("edgeseg")

# Imported on first use: `--help` needs none of their libraries.
_PLACES = {
    "EngineOptions": "segexport.options",
    "ExportOptions": "segexport.options",
    "inspect_file": "segexport.inspect.inspection",
    "to_onnx": "segexport.graph.to_onnx",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
