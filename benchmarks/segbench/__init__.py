"""Benchmarks: speed, accuracy, reports."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segbench.options import BenchOptions
    from segbench.results import BenchReport, read_report

__all__ = ["BenchOptions", "BenchReport", "__version__", "read_report"]
__version__ = version("edgeseg")

# Imported on first use: `--help` needs none of their libraries.
_PLACES = {
    "BenchOptions": "segbench.options",
    "BenchReport": "segbench.results",
    "read_report": "segbench.results",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
