"""Which runner runs a file."""

from pathlib import Path

from segdata.errors import InputError
from segrun.options import RunnerName
from segrun.runners.base import Runner


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
    if path.suffix == ".engine":
        from segrun.runners.tensorrt.runner import TensorRTRunner

        return TensorRTRunner(path, trust=trust)
    if path.suffix != ".onnx":
        raise InputError(f"{path}: got a {path.suffix or 'file without suffix'}, need .onnx or .engine from seg-export")
    if runner == "onnxruntime":
        from segrun.runners.onnxruntime import OnnxRuntimeRunner

        return OnnxRuntimeRunner(path)
    from segrun.runners.openvino import OpenVINORunner

    return OpenVINORunner(path, throughput=throughput)
