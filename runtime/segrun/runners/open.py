"""Finds the runner for an artefact."""

from importlib import import_module
from pathlib import Path
from typing import Final, cast

from segdata.errors import InputError
from segrun.options import RunnerName
from segrun.runners.base import Runner

RUNNERS: Final[dict[str, dict[RunnerName, str]]] = {
    ".onnx": {"auto": "openvino", "openvino": "openvino", "onnxruntime": "onnxruntime"},
    ".engine": {"auto": "tensorrt.runner"},
}
"""The module of `segrun.runners` whose `open_artefact` opens a file, by suffix and name. A new one is a line here."""


def open_runner(path: Path, runner: RunnerName = "auto", *, trust: bool = False, throughput: bool = False) -> Runner:
    """Return the runner for an artefact.

    An .engine runs on TensorRT or TensorRT-RTX, as its manifest says; an .onnx on the CPU, by OpenVINO ("auto") or by
    ONNX Runtime. `trust` takes an engine of other bytes than its manifest says; only for one you built yourself.
    `throughput` has OpenVINO give `stream` more frames a second at the price of each one's latency.

    Raises InputError if there is no such file or no runner for its suffix, ContractError if the file breaks the graph
    contract or does not match its manifest or this machine, MissingDependencyError if a library or driver is missing.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; need an artefact written by seg-export")
    named = RUNNERS.get(path.suffix.lower())
    if named is None:
        raise InputError(f"{path}: got a {path.suffix or 'file without suffix'}, need .onnx or .engine from seg-export")
    module = import_module(f"segrun.runners.{named.get(runner, named['auto'])}")
    return cast("Runner", module.open_artefact(path, trust=trust, throughput=throughput))
