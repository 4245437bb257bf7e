"""What this machine can do, found out in under two minutes: what is installed, the GPU, which precisions build and pay.

A missing part is not an error here: finding it is what a preflight is for.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args

from segbench.artefacts import build, models_by_precision
from segbench.facts import TARGET
from segbench.preflight.gpu import Gpu, SeenCard, find_gpu, seen_card
from segbench.preflight.installed import EXTRAS, installed
from segbench.results import Rate
from segdata.command_line.fixable import missing_dependency
from segdata.command_line.progress import SILENT, Progress
from segdata.errors import EdgeSegError, InputError, MissingDependencyError
from segdata.shipped import DEFAULT_ONNX, model_files
from segdata.spec import Precision
from segrun.options import RunnerName
from segrun.runners.base import Runner
from segrun.runners.fastest import seconds_an_item
from segrun.runners.open import open_runner
from segrun.runners.tensorrt.library import TensorRT, load_tensorrt
from segrun.runners.tensorrt.manifest import Flavour

BUILD_SECONDS = 75.0
"""What all builds together may take: of two minutes, the rest is for timing and for loading libraries."""

PROBE_SECONDS = 2.0

ROUNDS = 5
_WARM_UP_RUNS = 3
_TARGET_CAPABILITY = "7.5"
_CPU_RUNNERS: dict[str, RunnerName] = {"OpenVINO": "openvino", "ONNX Runtime": "onnxruntime"}
_clock = time.perf_counter

_T = TypeVar("_T")


@dataclass(frozen=True)
class Probe:
    """One thing that was tried: what was found, in words, its frames a second, and the problem with how to fix it."""

    name: str
    found: str = ""
    rate: Rate | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Preflight:
    """All that was found.

    `installed` are the parts of edgeseg, `engines` one of each precision, from fp32 to int8, built by the `flavour`;
    all of them have a problem or a rate if there is a GPU. `gpu_problem` says why there is none, `card` is one
    that is there all the same.
    """

    model: str
    installed: tuple[Probe, ...]
    gpu: Gpu | None
    gpu_problem: str | None
    card: SeenCard | None
    libraries: tuple[Probe, ...]
    flavour: Flavour | None
    engines: tuple[Probe, ...]
    cpu: tuple[Probe, ...]


def preflight(model: Path | None = None, progress: Progress = SILENT, seconds: float = PROBE_SECONDS) -> Preflight:
    """Return what runs `model`, an .onnx file of seg-export (the shipped one if None), on this machine, and how fast.

    Each engine that builds is run for about `seconds` on the GPU, each CPU library likewise; `progress` is told what
    comes next. Without a GPU TensorRT-RTX builds for the GTX 1660 Ti, and no engine is timed. Raises InputError or
    ContractError for a `model` that cannot be read or is not edgeseg's; nothing else that is missing is an error.
    """
    path = model_files(model)[0] if model else DEFAULT_ONNX[0]
    if path.suffix != ".onnx":
        raise InputError(
            f"{path}: got a {path.suffix or 'file without suffix'}, need the .onnx that engines are built from"
        )
    progress.start(None)
    progress.advance("look for a GPU")
    gpu, gpu_problem = _tried(find_gpu)
    progress.advance("look for TensorRT")
    libraries = {flavour: _tried(partial(load_tensorrt, flavour)) for flavour in get_args(Flavour)}
    # TensorRT builds only for the GPU at hand, TensorRT-RTX for any.
    usable = (library for library, _ in libraries.values() if library and (gpu or library.flavour == "tensorrt-rtx"))
    library = next(usable, None)
    engines = _engines(path, gpu, library, progress, seconds) if library else ()
    progress.advance("time the CPU")
    cpu = _timed({name: partial(open_runner, path, runner) for name, runner in _CPU_RUNNERS.items()}, seconds)
    parts = {part: _tried(partial(installed, extra)) for extra, part in EXTRAS.items()}
    return Preflight(
        model=path.name,
        installed=tuple(Probe(part, found or "", problem=problem) for part, (found, problem) in parts.items()),
        gpu=gpu,
        gpu_problem=gpu_problem,
        card=None if gpu else seen_card(),
        libraries=tuple(
            Probe(flavour, f"version {found.version}" if found else "", problem=problem)
            for flavour, (found, problem) in libraries.items()
        ),
        flavour=library.flavour if library else None,
        engines=engines,
        cpu=tuple(cpu.values()),
    )


def _tried(find: Callable[[], _T]) -> tuple[_T | None, str | None]:
    """Return what is found, or the problem with it."""
    try:
        return find(), None
    except ImportError as error:
        return None, str(missing_dependency(error))
    except EdgeSegError as error:
        return None, str(error)


def _engines(path: Path, gpu: Gpu | None, library: TensorRT, progress: Progress, seconds: float) -> tuple[Probe, ...]:
    """Build an engine of each precision, then, with a GPU, time all that were built side by side."""
    probes: dict[str, Probe] = {}
    engines: dict[str, Callable[[], Runner]] = {}
    capability = gpu.compute_capability if gpu else _TARGET_CAPABILITY
    with tempfile.TemporaryDirectory() as folder:
        try:
            models = models_by_precision(path, Path(folder))
        except MissingDependencyError as error:
            return tuple(Probe(each, problem=str(error)) for each in get_args(Precision))
        begin = _clock()
        for index, (precision, model) in enumerate(models.items(), start=1):
            progress.advance(f"build {precision}")
            start = _clock()
            in_time = partial(_check_time, begin + BUILD_SECONDS * index / len(models))
            engine, problem = _tried(partial(build, library, model, capability, in_time))
            if engine:
                engines[precision] = partial(open_runner, engine)
            target = (
                f"the {gpu.name if gpu else TARGET} in {_clock() - start:.1f} s{'' if gpu else '; not timed: no GPU'}"
            )
            probes[precision] = Probe(precision, f"built for {target}" if engine else "", problem=problem)
        if gpu:
            progress.advance("time the engines")
            for name, timed in _timed(engines, seconds).items():
                probes[name] = replace(probes[name], rate=timed.rate, problem=timed.problem)
    return tuple(probes.values())


def _check_time(limit: float) -> None:
    if _clock() > limit:
        raise EdgeSegError("the build took too long for a preflight; build it with seg-export, and wait")


def _timed(openers: Mapping[str, Callable[[], Runner]], seconds: float) -> dict[str, Probe]:
    """Time what opens, side by side: what each computes in, its speed, and the problem with it."""
    found: dict[str, Probe] = {}
    with suppress(EdgeSegError), ExitStack() as stack:  # a card that failed may fail again when it is closed
        runners: dict[str, Runner] = {}
        for name, opener in openers.items():
            runner, problem = _tried(opener)
            found[name] = Probe(name, problem=problem)
            if runner:
                runners[name] = stack.enter_context(runner)
        rates, problem = _tried(partial(probe, runners, seconds))
        for name, runner in runners.items():
            found[name] = Probe(name, f"computes in {runner.computes}", rates[name] if rates else None, problem)
    return found


def probe(runners: Mapping[str, Runner], seconds: float) -> dict[str, Rate]:
    """Return how many frames a second each of `runners` does, each run for about `seconds`, in `ROUNDS` rounds."""
    counts = {}
    for name, runner in runners.items():
        seconds_an_item(runner, _WARM_UP_RUNS, _clock)
        counts[name] = max(1, round(seconds / ROUNDS / seconds_an_item(runner, _WARM_UP_RUNS, _clock)))
    rates: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(ROUNDS):
        for name, runner in runners.items():
            rates[name].append(runner.batch / seconds_an_item(runner, counts[name], _clock))
    return {name: Rate(tuple(rounds)) for name, rounds in rates.items()}
