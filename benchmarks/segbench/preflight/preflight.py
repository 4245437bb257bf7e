"""What this machine can do, found out in under two minutes: what is installed, the GPU, which precisions build and pay.

A missing part is not an error here: finding it is what a preflight is for.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from segbench.preflight.advice import advise
from segbench.preflight.found import CpuProbe, EngineProbe, Gpu, Library, Preflight
from segbench.preflight.surroundings import Surroundings
from segbench.results import Rate
from segdata.command import missing_dependency
from segdata.devices import has_tensor_cores
from segdata.errors import ContractError, EdgeSegError, InputError
from segdata.shipped import DEFAULT_ONNX, model_files
from segdata.spec import Precision
from segrun.options import RunnerName
from segrun.runners.base import Frames, Runner
from segrun.runners.tensorrt.library import TensorRT
from segrun.runners.tensorrt.manifest import Flavour

BUILD_SECONDS = 75.0
"""What all builds together may take: of two minutes, the rest is for timing and for loading libraries."""

PROBE_SECONDS = 2.0

ROUNDS = 5
_WARM_UP_RUNS = 3
_NO_GPU_CAPABILITY = "7.5"  # the GTX 1660 Ti's
_CPU_RUNNERS: dict[str, RunnerName] = {"OpenVINO": "openvino", "ONNX Runtime": "onnxruntime"}


def preflight(
    model: Path | None = None,
    on_step: Callable[[str], None] = lambda step: None,
    here: Surroundings | None = None,
    seconds: float = PROBE_SECONDS,
) -> Preflight:
    """Return what runs `model`, an .onnx file of seg-export (the shipped one if None), on this machine, and how fast.

    Each engine that builds is run for `seconds` on the GPU, each CPU library likewise; `on_step` is told what comes
    next. Without a GPU TensorRT-RTX builds for the GTX 1660 Ti, and no engine is timed. Raises InputError or
    ContractError for a `model` that cannot be read or is not edgeseg's; nothing else that is missing is an error.
    """
    here = here or Surroundings()
    path = model_files(model)[0] if model else DEFAULT_ONNX[0]
    if path.suffix != ".onnx":
        raise InputError(
            f"{path}: got a {path.suffix or 'file without suffix'}, need the .onnx that engines are built from"
        )
    on_step("look for a GPU")
    gpu, gpu_problem = _gpu(here)
    on_step("look for TensorRT")
    loaded, libraries = _libraries(here)
    # TensorRT builds for the GPU at hand alone, TensorRT-RTX for any.
    library = next((loaded[flavour] for flavour in loaded if gpu or flavour == "tensorrt-rtx"), None)
    found = Preflight(
        model=path.name,
        installed=tuple(here.installed()),
        gpu=gpu,
        gpu_problem=gpu_problem,
        tensor_cores=has_tensor_cores(gpu.name, gpu.compute_capability) if gpu else None,
        libraries=libraries,
        target=f"the {gpu.name}" if gpu else "the GTX 1660 Ti",
        engines=_engines(path, gpu, library, here, on_step, seconds) if library else (),
        cpu=_cpu(path, here, on_step, seconds),
    )
    return replace(found, advice=advise(found))


def _gpu(here: Surroundings) -> tuple[Gpu | None, str | None]:
    try:
        return here.find_gpu(), None
    except EdgeSegError as error:
        return None, str(error)


def _libraries(here: Surroundings) -> tuple[dict[Flavour, TensorRT], tuple[Library, ...]]:
    loaded: dict[Flavour, TensorRT] = {}
    libraries = []
    for flavour in get_args(Flavour):
        try:
            loaded[flavour] = here.load(flavour)
            libraries.append(Library(flavour, loaded[flavour].version))
        except EdgeSegError as error:
            libraries.append(Library(flavour, None, str(error)))
    return loaded, tuple(libraries)


def _engines(
    path: Path,
    gpu: Gpu | None,
    library: TensorRT,
    here: Surroundings,
    on_step: Callable[[str], None],
    seconds: float,
) -> tuple[EngineProbe, ...]:
    """Build an engine of each precision, then, with a GPU, time all that were built side by side."""
    capability = gpu.compute_capability if gpu else _NO_GPU_CAPABILITY
    probes: dict[str, EngineProbe] = {}
    engines: dict[str, Path] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            models = here.write_models(path, Path(folder))
        except (InputError, ContractError):  # of the model that was named
            raise
        except EdgeSegError as error:
            return tuple(EngineProbe(each, library.flavour, problem=str(error)) for each in get_args(Precision))
        begin = here.clock()
        for index, (precision, each) in enumerate(models.items(), start=1):
            on_step(f"build {precision}")
            start = here.clock()
            in_time = _until(begin + BUILD_SECONDS * index / len(models), here.clock)
            try:
                engines[precision] = here.build(library, each, capability, in_time)
                probes[precision] = EngineProbe(precision, library.flavour, here.clock() - start)
            except EdgeSegError as error:
                probes[precision] = EngineProbe(precision, library.flavour, problem=str(error))
        if gpu:
            on_step("time the engines")
            openers = {name: lambda engine=engine: here.open_engine(engine) for name, engine in engines.items()}
            for name, (_, rate, problem) in _timed(openers, here, seconds).items():
                probes[name] = replace(probes[name], rate=rate, problem=problem)
    return tuple(probes.values())


def _until(limit: float, clock: Callable[[], float]) -> Callable[[], None]:
    def check() -> None:
        if clock() > limit:
            raise EdgeSegError("the build took too long for a preflight; build it with seg-export, and wait")

    return check


def _cpu(path: Path, here: Surroundings, on_step: Callable[[str], None], seconds: float) -> tuple[CpuProbe, ...]:
    on_step("time the CPU")
    openers = {name: lambda runner=runner: here.open_on_cpu(path, runner) for name, runner in _CPU_RUNNERS.items()}
    return tuple(CpuProbe(name, *timed) for name, timed in _timed(openers, here, seconds).items())


def _timed(
    openers: Mapping[str, Callable[[], Runner]], here: Surroundings, seconds: float
) -> dict[str, tuple[str | None, Rate | None, str | None]]:
    """Time what opens, side by side: what each computes in, its speed, and the problem with it."""
    found: dict[str, tuple[str | None, Rate | None, str | None]] = {}
    with suppress(EdgeSegError), ExitStack() as stack:  # a card that failed may fail again when it is closed
        runners: dict[str, Runner] = {}
        for name, opener in openers.items():
            try:
                runners[name] = stack.enter_context(opener())
            except ImportError as error:
                found[name] = None, None, str(missing_dependency(error))
            except EdgeSegError as error:
                found[name] = None, None, str(error)
        try:
            rates = probe(list(runners.values()), seconds, here.clock)
            for (name, runner), rate in zip(runners.items(), rates, strict=True):
                found[name] = runner.computes, rate, None
        except EdgeSegError as error:
            found.update((name, (None, None, str(error))) for name in runners)
    return {name: found[name] for name in openers}


def probe(runners: Sequence[Runner], seconds: float, clock: Callable[[], float] = time.perf_counter) -> list[Rate]:
    """Return how many frames a second each of `runners` does, each run for `seconds` in all, in `ROUNDS` rounds.

    The frames are noise: no kernel's speed depends on them.
    """
    frames = [_noise(runner) for runner in runners]
    for runner, own in zip(runners, frames, strict=True):
        for _ in range(_WARM_UP_RUNS):
            runner(own)
    rates: list[list[float]] = [[] for _ in runners]
    for _ in range(ROUNDS):
        for index, runner in enumerate(runners):
            rates[index].append(_rate(runner, frames[index], seconds / ROUNDS, clock))
    return [Rate(tuple(found)) for found in rates]


def _rate(runner: Runner, frames: Frames, seconds: float, clock: Callable[[], float]) -> float:
    start = clock()

    def until_time_is_up() -> Iterator[Frames]:
        yield frames
        while clock() - start < seconds:
            yield frames

    done = sum(len(labels) for labels in runner.stream(until_time_is_up()))
    return done / (clock() - start)


def _noise(runner: Runner) -> Frames:
    shape = (runner.batch, runner.spec.height, runner.spec.width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
