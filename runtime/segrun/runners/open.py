"""Chooses and opens the runner of a file."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from segdata.cores import usable_cores
from segdata.errors import EdgeSegError, InputError
from segdata.files import sha256_of
from segdata.shipped import DEFAULT_MODEL, MODELS, model_files, shipped_checkpoint
from segrun.options import Arithmetic, RunnerName, RunOptions
from segrun.registry import class_at
from segrun.runners.base import Runner
from segrun.runners.fastest import Opener, open_fastest
from segrun.runners.tensorrt.driver import gpu_count

ENGINE = ".engine"

RUNNERS: dict[str, dict[RunnerName, str]] = {
    ".onnx": {
        "auto": "segrun.runners.openvino:OpenVINORunner",
        "openvino": "segrun.runners.openvino:OpenVINORunner",
        "onnxruntime": "segrun.runners.onnxruntime:OnnxRuntimeRunner",
    },
    ENGINE: {"auto": "segrun.runners.tensorrt.runner:TensorRTRunner"},
}
"""The runners by suffix and name, "auto" the one for every other name. A new one is a file and a line here."""


ENGINES = Path("exports")
"""Where seg-export writes engines by default; engines of shipped models are looked for there."""


def open_runner(
    path: Path | None = None,
    runner: RunnerName = "auto",
    *,
    trust: bool = False,
    throughput: bool = False,
    arithmetic: Arithmetic = "auto",
    device: str = "auto",
) -> Runner:
    """Return the runner for an artefact, in the fastest way to run it here; see its `chosen`.

    An .engine runs on TensorRT or TensorRT-RTX, as its manifest says; an .onnx on the CPU, by OpenVINO ("auto") or by
    ONNX Runtime. Where `path` is the name of a shipped model it is an engine of it in `exports`, if there is a GPU that
    runs it, else the fastest of its files; without `path` it is unet-256-lite, or an engine of unet-256. `arithmetic`
    pins what floats are computed in on a CPU. `device` is "cpu", the number of a GPU, from 0, or "auto": the first GPU
    if there is an engine for it. `trust` takes an engine of other bytes than its manifest says; only for one you built
    yourself. `throughput` has OpenVINO give `stream` more frames a second at the price of each one's latency.

    Raises InputError if there is no such file, no runner for its suffix, no such arithmetic or device here, or if the
    file does not run on that device, ContractError if the file breaks the graph contract or does not match its manifest
    or this machine, MissingDependencyError if a library or driver is missing.
    """
    gpu = _gpu_of(device)
    word = path or Path(DEFAULT_MODEL)
    named = [DEFAULT_MODEL, shipped_checkpoint().stem] if path is None else [str(word)] * (not word.is_file())
    engines = [file for name in named if name in MODELS for file in sorted(ENGINES.glob(f"{name}.*.engine"))]
    if gpu is not None:
        engines = engines or [file for file in model_files(word) if file.suffix.lower() == ENGINE]
        if not engines:
            raise InputError(f"got device {device}, and {word} runs on the CPU; build an engine of it with seg-export")
        return _open(engines, runner, trust, throughput, arithmetic, gpu)
    if engines and (device, runner, arithmetic) == ("auto", "auto", "auto"):
        with suppress(EdgeSegError):  # no GPU, or another one: the CPU runs it
            return _open(engines, runner, trust, throughput, arithmetic)
    files = model_files(word)
    if device == "cpu" and files[0].suffix.lower() == ENGINE:
        raise InputError(f"{files[0]}: an engine runs on a GPU; name an .onnx, or leave out the device")
    return _open(files, runner, trust, throughput, arithmetic)


def runner_for(options: RunOptions, *, throughput: bool, device: str | None = None) -> Runner:
    """Return the runner that a run with these options asks for, on another `device` if one is given."""
    return open_runner(
        options.model,
        options.runner,
        trust=options.trust,
        throughput=throughput,
        arithmetic=options.arithmetic,
        device=device or options.device,
    )


@contextmanager
def open_runners(options: RunOptions, *, throughput: bool) -> Iterator[list[Runner]]:
    """Give the runners that a run with these options asks for: for the device "all" one for every GPU, else one."""
    devices = [str(number) for number in range(gpu_count())] if options.device == "all" else [options.device]
    with ExitStack() as stack:
        yield [stack.enter_context(runner_for(options, throughput=throughput, device=device)) for device in devices]


def _gpu_of(device: str) -> int | None:
    """Return the number of the requested GPU, None if none is; raise InputError for anything but a device."""
    if device in ("auto", "cpu"):
        return None
    if not re.fullmatch("[0-9]{1,3}", device):
        raise InputError(f"got device {device}, need auto, cpu or the number of a GPU, from 0")
    return int(device)


def _open(
    paths: Sequence[Path], runner: RunnerName, trust: bool, throughput: bool, arithmetic: Arithmetic, gpu: int = 0
) -> Runner:
    ways: dict[str, Opener] = {}
    for path in paths:
        kind = _class_of(path, runner)
        able = kind.arithmetics()
        if arithmetic != "auto" and arithmetic not in able:
            here = f"{kind.name} has {', '.join(able)} here" if able else f"{path} was built in its own"
            raise InputError(f"got arithmetic {arithmetic}, but {here}; take one of these, or auto")
        for each in [arithmetic] if arithmetic != "auto" else able or [None]:
            name = f"{path.name} in {each}" if each else path.name
            ways[name] = partial(kind.opened, path, trust=trust, throughput=throughput, arithmetic=each, gpu=gpu)
    key = [str(usable_cores()), str(throughput)]
    if len(ways) > 1:
        key += [_class_of(paths[0], runner).platform(), *map(sha256_of, paths)]
    opened, found = open_fastest(ways, key)
    opened.chosen = str(found or "")
    return opened


def _class_of(path: Path, runner: RunnerName) -> type[Runner]:
    if path.suffix.lower() not in RUNNERS:
        way = f"; make it with: seg-export {path}" if path.suffix == ".safetensors" else ""
        got = path.suffix or "file without suffix"
        raise InputError(f"{path}: got a {got}, need .onnx or .engine from seg-export{way}")
    places = RUNNERS[path.suffix.lower()]
    found: type[Runner] = class_at(places.get(runner, places["auto"]))
    return found
