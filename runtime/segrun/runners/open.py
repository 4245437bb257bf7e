"""Chooses and opens the runner of a file."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from segdata.cores import usable_cores
from segdata.errors import EdgeSegError, InputError
from segdata.files import sha256_of
from segdata.shipped import DEFAULT_MODEL, MODELS, model_files, shipped_checkpoint
from segrun.options import Arithmetic, RunnerName
from segrun.registry import class_at
from segrun.runners.base import Runner
from segrun.runners.fastest import Opener, open_fastest

RUNNERS: dict[str, dict[RunnerName, str]] = {
    ".onnx": {
        "auto": "segrun.runners.openvino:OpenVINORunner",
        "openvino": "segrun.runners.openvino:OpenVINORunner",
        "onnxruntime": "segrun.runners.onnxruntime:OnnxRuntimeRunner",
    },
    ".engine": {"auto": "segrun.runners.tensorrt.runner:TensorRTRunner"},
}
"""The runners by suffix and name, "auto" the one for every other name. A new one is a file and a line here."""


ENGINES = Path("exports")
"""Where seg-export leaves engines unless it is told otherwise; one of a shipped model is taken from there."""


def open_runner(
    path: Path | None = None,
    runner: RunnerName = "auto",
    *,
    trust: bool = False,
    throughput: bool = False,
    arithmetic: Arithmetic = "auto",
) -> Runner:
    """Return the runner for an artefact, in the fastest way that there is to run it here; see its `chosen`.

    An .engine runs on TensorRT or TensorRT-RTX, as its manifest says; an .onnx on the CPU, by OpenVINO ("auto") or by
    ONNX Runtime. Where `path` is the name of a shipped model it is an engine of it in `exports`, if there is a GPU that
    runs it, else the fastest of its files; without `path` it is unet-256-lite, or an engine of unet-256. `arithmetic`
    pins what floats are computed in on a CPU. `trust` takes an engine of other bytes than its manifest says; only for
    one you built yourself. `throughput` has OpenVINO give `stream` more frames a second at the price of each one's
    latency.

    Raises InputError if there is no such file, no runner for its suffix, or no such arithmetic here, ContractError if
    the file breaks the graph contract or does not match its manifest or this machine, MissingDependencyError if a
    library or driver is missing.
    """
    word = path or Path(DEFAULT_MODEL)
    named = [DEFAULT_MODEL, shipped_checkpoint().stem] if path is None else [str(word)] * (not word.is_file())
    engines = [file for name in named if name in MODELS for file in sorted(ENGINES.glob(f"{name}.*.engine"))]
    if engines and (runner, arithmetic) == ("auto", "auto"):
        with suppress(EdgeSegError):  # no GPU, or another one: the CPU does it
            return _open(engines, runner, trust, throughput, arithmetic)
    return _open(model_files(word), runner, trust, throughput, arithmetic)


def _open(paths: Sequence[Path], runner: RunnerName, trust: bool, throughput: bool, arithmetic: Arithmetic) -> Runner:
    ways: dict[str, Opener] = {}
    for path in paths:
        kind = _class_of(path, runner)
        able = kind.arithmetics()
        if arithmetic != "auto" and arithmetic not in able:
            here = f"{kind.name} has {', '.join(able)} here" if able else f"{path} was built in its own"
            raise InputError(f"got arithmetic {arithmetic}, but {here}; take one of these, or auto")
        for each in [arithmetic] if arithmetic != "auto" else able or [None]:
            name = f"{path.name} in {each}" if each else path.name
            ways[name] = partial(kind.opened, path, trust=trust, throughput=throughput, arithmetic=each)
    key = [str(usable_cores()), str(throughput)]
    if len(ways) > 1:
        key += [_class_of(paths[0], runner).platform(), *map(sha256_of, paths)]
    opened, found = open_fastest(ways, key)
    opened.chosen = str(found or "")
    return opened


def _class_of(path: Path, runner: RunnerName) -> type[Runner]:
    if path.suffix.lower() not in RUNNERS:
        raise InputError(f"{path}: got a {path.suffix or 'file without suffix'}, need .onnx or .engine from seg-export")
    places = RUNNERS[path.suffix.lower()]
    found: type[Runner] = class_at(places.get(runner, places["auto"]))
    return found
