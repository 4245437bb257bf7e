"""Which runner runs a file."""

from pathlib import Path

from segdata.errors import InputError
from segrun.options import RunnerName
from segrun.registry import class_at
from segrun.runners.base import Runner

RUNNERS: dict[str, dict[RunnerName, str]] = {
    ".onnx": {
        "auto": "segrun.runners.openvino:OpenVINORunner",
        "openvino": "segrun.runners.openvino:OpenVINORunner",
        "onnxruntime": "segrun.runners.onnxruntime:OnnxRuntimeRunner",
    },
    ".engine": {"auto": "segrun.runners.tensorrt.runner:TensorRTRunner"},
}
"""The runners by suffix and name, "auto" the one for every other name. A new one is a file and a line here."""


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
    if path.suffix.lower() not in RUNNERS:
        raise InputError(f"{path}: got a {path.suffix or 'file without suffix'}, need .onnx or .engine from seg-export")
    places = RUNNERS[path.suffix.lower()]
    found: Runner = class_at(places.get(runner, places["auto"])).opened(path, trust=trust, throughput=throughput)
    return found
