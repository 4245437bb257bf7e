"""An engine is verified on its GPU, here a simulated one; without a GPU, the manifest says that nothing was run."""

from pathlib import Path

import numpy as np
import pytest

from helpers.engine_files import toy_spec, write_engine
from helpers.simulated_device import Simulation
from helpers.simulated_tensorrt import libraries_of, toy_program
from segdata.command_line.progress import Silent
from segdata.errors import MissingDependencyError, VerificationError
from segdata.metrics import Accuracy
from segexport.engine.builder import prove_engine
from segexport.engine.to_engine import NO_GPU
from segexport.verify import THRESHOLDS, Proof
from segrun.runners.tensorrt.driver import GpuFacts
from segrun.runners.tensorrt.manifest import manifest_path, read_manifest
from segrun.runners.tensorrt.runner import Libraries

HEIGHT, WIDTH = 3, 4


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    return write_engine(tmp_path / "toy.fp32.sm75.engine", toy_spec(HEIGHT, WIDTH))


def proof(spoiled: bool = False) -> Proof:
    """Frames and what the toy network makes of them, or something else."""
    frames = np.random.default_rng(0).integers(0, 256, (5, HEIGHT, WIDTH, 3), dtype=np.uint8)
    reference = np.concatenate([toy_program(1, HEIGHT, WIDTH).compute(frame[None]) for frame in frames])
    if spoiled:
        reference = reference ^ 1
    return Proof("five frames", None, THRESHOLDS, frames, reference, reference, Accuracy(1.0, 1.0, 1.0))


def simulated() -> Libraries:
    return libraries_of(Simulation(0), lambda plan: toy_program(1, HEIGHT, WIDTH))


class Counted:
    """A Progress that counts."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.done = 0

    def start(self, total: int | None, done: int = 0) -> None:
        self.total, self.done = total, done

    def advance(self, note: str = "") -> None:
        self.done += 1


def here(capability: str) -> GpuFacts:
    return GpuFacts("Simulated GTX 1660 Ti", capability, "0000:01:00.0")


def test_an_engine_that_agrees_says_on_what_it_was_verified(engine: Path) -> None:
    counted = Counted()
    prove_engine(engine, proof(), counted, find_gpu=lambda: here("7.5"), libraries=simulated())
    assert read_manifest(engine).verified_on == "Simulated GTX 1660 Ti: 100.00% equal pixels"
    assert (counted.total, counted.done) == (5, 5)


def test_an_engine_that_does_not_agree_is_removed(engine: Path) -> None:
    with pytest.raises(VerificationError, match=r"fp32 engine was not kept: on Simulated .* \(need 99.99%") as refusal:
        prove_engine(engine, proof(True), Silent(), find_gpu=lambda: here("7.5"), libraries=simulated())
    assert "\n" not in str(refusal.value)
    assert not engine.exists()
    assert not manifest_path(engine).exists()


def test_it_is_kept_where_that_was_asked_for(engine: Path) -> None:
    gpu = here("7.5")
    prove_engine(engine, proof(True), Silent(), False, lambda: gpu, simulated())
    assert "0.00% equal pixels" in read_manifest(engine).verified_on


def test_without_a_gpu_nothing_runs_and_the_manifest_says_so(engine: Path) -> None:
    def find_gpu() -> GpuFacts:
        raise MissingDependencyError("no driver")

    assert prove_engine(engine, proof(), Silent(), find_gpu=find_gpu) == NO_GPU
    assert read_manifest(engine).verified_on == "none (no GPU)"


def test_a_gpu_of_another_kind_does_not_run_it(engine: Path) -> None:
    said = prove_engine(engine, proof(), Silent(), find_gpu=lambda: here("8.6"))
    assert said == "none (the GPU here, Simulated GTX 1660 Ti, has compute capability 8.6)"
