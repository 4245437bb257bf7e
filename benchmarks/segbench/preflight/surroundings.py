"""What a preflight asks of the machine: its GPU, its TensorRT, a builder and runners."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from segbench.artefacts import artefacts_of
from segbench.measure.nvml import card_state, load_nvml
from segbench.preflight.found import Gpu
from segbench.preflight.installed import Extra, installed
from segbench.preflight.seen_card import seen_card
from segdata.command import missing_dependency
from segdata.errors import MissingDependencyError
from segdata.shipped import DEFAULT_ONNX, shipped_checkpoint
from segdata.spec import Precision
from segrun.options import RunnerName
from segrun.runners.base import Runner
from segrun.runners.open import open_runner
from segrun.runners.tensorrt.device import first_device, load_driver
from segrun.runners.tensorrt.library import TensorRT, load_tensorrt
from segrun.runners.tensorrt.manifest import Flavour


def find_gpu() -> Gpu:
    """Return the first GPU; raise MissingDependencyError, saying why and how to fix it, if none can be used."""
    try:
        name, compute_capability = first_device()
    except MissingDependencyError as error:
        if seen := seen_card():
            raise MissingDependencyError(f"{seen} is here, but not to be used: {error}") from None
        raise
    version = load_driver().get_driver_version()  # 12040 is CUDA 12.4
    card = card_state(load_nvml())
    of_driver = f"{card.driver}, " if card else ""
    return Gpu(name, compute_capability, f"{of_driver}CUDA {version // 1000}.{version % 1000 // 10}")


def build(library: TensorRT, model: Path, compute_capability: str, on_progress: Callable[[], None]) -> Path:
    """Build the engine of an ONNX file beside it and return it; what `on_progress` raises at any step ends the build.

    Raises EdgeSegError for what TensorRT cannot build.
    """
    from segexport.engine.to_engine import Provenance, build_engine, choose_target
    from segexport.graph.onnx_file import read_onnx
    from segexport.options import EngineOptions

    target = choose_target(library, compute_capability)
    provenance = Provenance("seg-export")
    return build_engine(library, read_onnx(model), target, EngineOptions(), provenance, lambda *_: on_progress()).path


def write_models(path: Path, folder: Path) -> dict[Precision, Path]:
    """Return the ONNX files of one network by precision: `path` and its siblings; of the shipped one, all, in `folder`.

    Raises MissingDependencyError without the export extra.
    """
    try:
        from segexport.graph.onnx_file import read_onnx
    except ImportError as error:
        raise missing_dependency(error) from None
    shipped = path == DEFAULT_ONNX[0]
    files = artefacts_of([shipped_checkpoint() if shipped else path], True, folder)
    return {read_onnx(file).contract.precision: file for file in files}


@dataclass(frozen=True)
class Surroundings:
    """What a preflight asks of the machine; a test gives it another. Each may raise EdgeSegError."""

    installed: Callable[[], list[Extra]] = installed
    find_gpu: Callable[[], Gpu] = find_gpu
    load: Callable[[Flavour], TensorRT] = load_tensorrt
    write_models: Callable[[Path, Path], dict[Precision, Path]] = write_models
    build: Callable[[TensorRT, Path, str, Callable[[], None]], Path] = build
    open_engine: Callable[[Path], Runner] = open_runner
    open_on_cpu: Callable[[Path, RunnerName], Runner] = open_runner
    clock: Callable[[], float] = time.perf_counter
