"""Export: ONNX, calibration, INT8, the proof, engines."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from segdata.lazy import imported_from

if TYPE_CHECKING:
    from segexport.graph.to_onnx import to_onnx
    from segexport.inspect.inspection import inspect_file
    from segexport.options import EngineOptions, ExportOptions

__all__ = ["EngineOptions", "ExportOptions", "__version__", "inspect_file", "to_onnx"]
__version__ = version("edgeseg")

__getattr__ = imported_from(
    __name__,
    {
        "EngineOptions": "segexport.options",
        "ExportOptions": "segexport.options",
        "inspect_file": "segexport.inspect.inspection",
        "to_onnx": "segexport.graph.to_onnx",
    },
)
