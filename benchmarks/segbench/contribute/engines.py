"""Builds the engines of the standard table: each model and precision with each TensorRT that is installed."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from segbench.artefacts import build
from segbench.contribute.pack import Log
from segdata.command_line.progress import Progress
from segdata.errors import EdgeSegError, MissingDependencyError
from segrun.runners.open import open_runner
from segrun.runners.tensorrt.library import TensorRT, load_tensorrt
from segrun.runners.tensorrt.manifest import Flavour


def libraries_here() -> list[TensorRT]:
    """Return TensorRT and TensorRT-RTX, as installed; raise MissingDependencyError if neither is."""
    found, problems = [], []
    for flavour in get_args(Flavour):
        try:
            found.append(load_tensorrt(flavour))
        except EdgeSegError as error:
            problems.append(str(error))
    if not found:
        raise MissingDependencyError("; ".join(problems))
    return found


def build_engines(
    models: Sequence[Path],
    libraries: Sequence[TensorRT],
    compute_capability: str,
    folder: Path,
    progress: Progress,
    log: Log,
) -> tuple[list[Path], list[str]]:
    """Return the engines of ONNX files that build and run, in `folder` with their build logs; and why others do not."""
    engines, left_out = [], []
    progress.start(len(libraries) * len(models))
    for library in libraries:
        for model in models:
            source = folder / _name(model, library)
            shutil.copyfile(model, source)
            start = time.perf_counter()
            try:
                engine = build(library, source, compute_capability, lambda: None)
                log.tell(f"{engine.name}: built by {library.flavour} in {time.perf_counter() - start:.1f} s")
                with open_runner(engine):
                    pass
                engines.append(engine)
            except EdgeSegError as error:
                left_out.append(f"{source.stem} is left out, {library.flavour}: {error}")
                log.fail(left_out[-1], error)
            progress.advance(f"{source.stem} by {library.flavour}")
    return engines, left_out


def _name(model: Path, library: TensorRT) -> str:
    """Both flavours' engines of one file are in one table: unet-64.rtx.fp16.onnx is TensorRT-RTX's."""
    if library.flavour == "tensorrt":
        return model.name
    name, _, rest = model.name.partition(".")
    return f"{name}.rtx.{rest}"
