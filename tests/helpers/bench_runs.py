"""Benchmarks of small artefacts for the tests."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segbench.bench import bench
from segbench.options import BenchOptions
from segbench.results import BenchReport, Card
from segdata.spec import Precision

if TYPE_CHECKING:
    from conftest import Artefacts


ORDER: tuple[Precision, ...] = ("int8", "fp32", "fp16")  # neither the alphabet's nor the usual one
CARD = Card("NVIDIA GeForce GTX 1660 Ti", "570.86", 1770, 6001, 61, (), 300.0)


def options_for(made: "Artefacts", drive: Path, /, **values: Any) -> BenchOptions:  # noqa: ANN401 - its fields
    paths = tuple(made.onnx[precision] for precision in ORDER)
    few = BenchOptions(artefacts=paths, video=drive, runner="onnxruntime", frames=3, rounds=2)
    return replace(few, **values)


def quietly(options: BenchOptions) -> BenchReport:
    return bench(options, options.artefacts)
