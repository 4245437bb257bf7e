"""Benchmarks: speed, accuracy, reports."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from segdata.lazy import imported_from

if TYPE_CHECKING:
    from segbench.options import BenchOptions
    from segbench.results import BenchReport, read_report

__all__ = ["BenchOptions", "BenchReport", "__version__", "read_report"]
__version__ = version("edgeseg")

__getattr__ = imported_from(
    __name__,
    {
        "BenchOptions": "segbench.options",
        "BenchReport": "segbench.results",
        "read_report": "segbench.results",
    },
)
