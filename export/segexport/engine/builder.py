"""What builds the engines of an export, and their proof on the GPU they are for, if this machine has it."""

import shlex
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path

from segdata.command_line.progress import Progress
from segdata.errors import EdgeSegError, VerificationError
from segdata.files import replacing
from segdata.spec import Precision
from segexport.engine.settings import Target, check_build_options, choose_target
from segexport.engine.to_engine import NO_GPU
from segexport.options import ExportOptions
from segexport.verify import Proof, labels_of_proof
from segrun.runners.tensorrt.driver import GpuFacts, first_device
from segrun.runners.tensorrt.library import TensorRT, find_tensorrt, load_tensorrt
from segrun.runners.tensorrt.manifest import EngineManifest, manifest_path, read_manifest
from segrun.runners.tensorrt.runner import Libraries, TensorRTRunner

# Options that a rebuild command does not repeat: it names the checkpoint, one precision and the target itself.
_NAMED = {"checkpoint", "size", "precisions", "output", "overwrite", "triton", "engine", "building"}
_NAMED_OF_ENGINE = {"compute_capability", "build_log"}


@dataclass(frozen=True)
class Builder:
    """The library that builds engines, and for which GPU."""

    library: TensorRT
    target: Target


def builder_of(options: ExportOptions) -> Builder | None:
    """Return what builds, None if nothing does; raise EdgeSegError if it cannot build what is asked for."""
    library = _library(options)
    if library is None:
        return None
    check_build_options(library, options.building)
    return Builder(library, choose_target(library, options.building.compute_capability))


def _library(options: ExportOptions) -> TensorRT | None:
    if options.engine == "none":
        return None
    if options.engine == "auto":
        return find_tensorrt()
    return load_tensorrt("tensorrt" if options.engine == "tensorrt" else "tensorrt-rtx")


def rebuild_command(options: ExportOptions, checkpoint: Path, precision: Precision, library: TensorRT) -> str:
    """Return the command that makes the engine again, with all options that are not defaults."""
    words = ["seg-export", str(checkpoint), f"--{precision}", "-o", str(options.output)]
    words += ["--engine", "tensorrt" if library.flavour == "tensorrt" else "rtx"]
    words += ["--cc", options.building.compute_capability]
    for asked, named in ((options, _NAMED), (options.building, _NAMED_OF_ENGINE)):
        for field in fields(asked):
            value = getattr(asked, field.name)
            if field.name in named or (field.default is not MISSING and value == field.default):
                continue
            flag = field.name.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{flag}" if value else f"--no-{flag}")
            else:
                for each in value if isinstance(value, tuple) else (value,):
                    words += [f"--{flag}", str(each)]
    return shlex.join(words)


def prove_engine(
    engine: Path,
    proof: Proof,
    progress: Progress,
    enforce: bool = True,
    find_gpu: Callable[[], GpuFacts] = first_device,
    libraries: Libraries | None = None,
) -> str:
    """Run `engine` on the proof's frames, write into its manifest which GPU ran it, and return that.

    Without a GPU, or with one of another compute capability, the manifest says so and nothing is run. Raises
    VerificationError, and removes engine and manifest, if fewer pixels equal the float32 model's than the engine's
    precision must reach, unless `enforce` is False. `libraries` run it, None for the installed ones.
    """
    manifest = read_manifest(engine)
    precision = manifest.precision
    try:
        name, capability, _ = find_gpu()
    except EdgeSegError:
        return _note(engine, manifest, NO_GPU)
    if capability != manifest.compute_capability:
        return _note(engine, manifest, f"none (the GPU here, {name}, has compute capability {capability})")
    progress.start(len(proof.frames))
    with TensorRTRunner(engine, libraries=libraries) as runner:
        found = labels_of_proof(runner, proof, progress, f"{precision} on GPU")
    equal, least = float((found == proof.reference).mean()), proof.thresholds[precision].equal_pixels
    if enforce and equal < least:
        engine.unlink()
        manifest_path(engine).unlink()
        raise VerificationError(
            f"the {precision} engine was not kept: on {name} it equals the float32 model in {equal:.2%} of pixels of "
            f"{proof.description} (need {least:.2%})"
        )
    return _note(engine, manifest, f"{name}: {equal:.2%} equal pixels")


def _note(engine: Path, manifest: EngineManifest, verified_on: str) -> str:
    if manifest.verified_on != verified_on:
        with replacing(manifest_path(engine)) as temporary:
            temporary.write_text(replace(manifest, verified_on=verified_on).to_json())
    return verified_on
