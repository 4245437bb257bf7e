"""Proves an engine on the GPU it was built for, if this machine has it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from segdata.errors import EdgeSegError, VerificationError
from segdata.files import replacing
from segdata.progress import Progress
from segexport.engine.to_engine import NO_GPU
from segexport.verify import Proof, labels_of_proof
from segrun.runners.tensorrt.device import first_device
from segrun.runners.tensorrt.manifest import EngineManifest, manifest_path, read_manifest
from segrun.runners.tensorrt.runner import Libraries, TensorRTRunner


def prove_engine(
    engine: Path,
    proof: Proof,
    progress: Progress,
    enforce: bool = True,
    find_gpu: Callable[[], tuple[str, str]] = first_device,
    libraries: Libraries | None = None,
) -> str:
    """Run `engine` on the proof's frames, write into its manifest on what, and return that.

    Without a GPU, or with one of another compute capability, the manifest says so and nothing is run. Raises
    VerificationError, and removes engine and manifest, if fewer pixels equal the float32 model's than the engine's
    precision must reach, unless `enforce` is False. `libraries` are what runs it, None for those installed.
    """
    manifest = read_manifest(engine)
    precision = manifest.precision
    try:
        name, capability = find_gpu()
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
