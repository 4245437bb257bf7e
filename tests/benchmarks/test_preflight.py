"""A preflight in every situation: cards that are simulated, what lacks, what does not build; the real RTX builder."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rich.console import Console

from helpers.engine_files import toy_spec, write_engine
from helpers.simulated_device import Simulation
from helpers.simulated_tensorrt import Program, libraries_of, toy_program
from segbench.preflight.found import EngineProbe, Gpu, Preflight
from segbench.preflight.installed import Extra
from segbench.preflight.preflight import BUILD_SECONDS, ROUNDS, preflight, probe
from segbench.preflight.surroundings import Surroundings, build, write_models
from segbench.preflight.table import print_preflight
from segdata.errors import EdgeSegError, MissingDependencyError
from segdata.spec import Precision
from segrun.options import RunnerName
from segrun.runners.base import Frames, Inferred, Labels, Runner
from segrun.runners.tensorrt.library import TensorRT
from segrun.runners.tensorrt.manifest import Flavour
from segrun.runners.tensorrt.runner import Libraries, TensorRTRunner

if TYPE_CHECKING:
    from conftest import Artefacts, Refused

HEIGHT, WIDTH = 3, 4
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
GTX = Gpu("NVIDIA GeForce GTX 1660 Ti", "7.5", "550.54, CUDA 12.4")
T4 = Gpu("Tesla T4", "7.5", "550.54, CUDA 12.4")
NO_DRIVER = MissingDependencyError("CUDA finds no GPU (no driver); check nvidia-smi")
NO_TENSORRT = MissingDependencyError("tensorrt cannot be imported (No module); run: pip install 'edgeseg[tensorrt]'")

# How long the simulated engines take for a frame: on such a card float16 may well be the slowest.
SECONDS: dict[str, float] = {"fp32": 0.010, "fp16": 0.020, "int8": 0.005}


@dataclass
class Clock:
    """Time that passes only where something says so."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Paced(Runner):
    """A runner of the CPU that takes a known time for a frame."""

    def __init__(self, clock: Clock, seconds: float, failure: EdgeSegError | None = None) -> None:
        self.name, self.device, self.computes, self.precision, self.batch = "paced", "CPU", "f32", "fp32", 1
        self.spec, self.calibration_frames = toy_spec(HEIGHT, WIDTH), frozenset()
        self._clock, self._seconds, self._failure = clock, seconds, failure

    def _infer(self, frames: Frames) -> Inferred:
        if self._failure:
            raise self._failure
        self._clock.now += self._seconds
        return Inferred(np.zeros(frames.shape[:3], np.uint8))

    def _free(self) -> None:
        pass


@dataclass
class Machine:
    """A machine for a preflight: what `lacks` raises where it is looked for; `builds` lists what was asked for."""

    gpu: Gpu | None = GTX
    flavours: tuple[Flavour, ...] = ("tensorrt",)
    unbuildable: tuple[Precision, ...] = ()
    clock: Clock = field(default_factory=Clock)
    simulation: Simulation = field(default_factory=Simulation)
    build_seconds: float = 1.0
    builds: list[tuple[str, str, str]] = field(default_factory=list)

    def surroundings(self) -> Surroundings:
        return Surroundings(
            find_gpu=self.find_gpu,
            load=self.load,
            write_models=self.write_models,
            build=self.build,
            open_engine=lambda path: TensorRTRunner(path, libraries=self.libraries("tensorrt")),
            open_on_cpu=self.open_on_cpu,
            clock=self.clock,
        )

    def find_gpu(self) -> Gpu:
        if self.gpu is None:
            raise NO_DRIVER
        return self.gpu

    def libraries(self, flavour: Flavour) -> Libraries:
        def load(plan: bytes) -> Program:
            toy = toy_program(1, HEIGHT, WIDTH)

            def compute(frames: Frames) -> Labels:
                self.clock.now += SECONDS[plan.decode()]
                return toy.compute(frames)

            return replace(toy, compute=compute)

        return libraries_of(self.simulation, load, flavour)

    def load(self, flavour: Flavour) -> TensorRT:
        if flavour not in self.flavours:
            raise NO_TENSORRT
        return self.libraries(flavour).tensorrt

    def write_models(self, path: Path, folder: Path) -> dict[Precision, Path]:
        return {precision: folder / f"{precision}.onnx" for precision in PRECISIONS}

    def build(self, library: TensorRT, model: Path, capability: str, on_progress: Callable[[], None]) -> Path:
        self.builds.append((library.flavour, model.stem, capability))
        if model.stem in self.unbuildable:
            raise EdgeSegError(f"TensorRT cannot build {model.stem}")
        self.clock.now += self.build_seconds
        on_progress()
        engine = model.with_suffix(".engine")
        return write_engine(engine, toy_spec(HEIGHT, WIDTH), model.stem.encode(), precision=model.stem)

    def open_on_cpu(self, path: Path, runner: RunnerName) -> Runner:
        return Paced(self.clock, {"openvino": 0.025, "onnxruntime": 0.040}.get(runner, 0.0))


def run(machine: Machine) -> Preflight:
    return preflight(here=machine.surroundings(), seconds=0.5)


def shown(found: Preflight) -> str:
    console = Console(width=250)
    with console.capture() as capture:
        print_preflight(found, console)
    return capture.get()


def by_precision(found: Preflight) -> dict[str, EngineProbe]:
    return {engine.precision: engine for engine in found.engines}


def test_the_table_says_what_is_installed_and_what_mends_what_is_not() -> None:
    lacks = Extra("train", "seg-train", (), "torch is not installed; run: pip install 'edgeseg[train]'")
    has = Extra("serve", "seg-run --serve", ("aiohttp 3.14.5",))
    here = replace(Machine().surroundings(), installed=lambda: [lacks, has])
    lines = [" ".join(line.split()) for line in shown(preflight(here=here, seconds=0.5)).splitlines()]
    assert f"seg-train no {lacks.problem}" in lines
    assert "seg-run --serve yes aiohttp 3.14.5" in lines


def test_a_gtx_1660_ti_is_timed_in_every_precision_and_has_no_tensor_cores() -> None:
    machine = Machine()
    found = run(machine)
    assert (found.gpu, found.gpu_problem, found.tensor_cores) == (GTX, None, False)
    assert machine.builds == [("tensorrt", precision, "7.5") for precision in SECONDS]
    for precision, engine in by_precision(found).items():
        assert engine.problem is None
        assert engine.build_seconds == 1.0
        assert engine.rate is not None
        assert len(engine.rate.rounds) == ROUNDS
        assert engine.rate.median == pytest.approx(1 / SECONDS[precision])
    advice = "\n".join(found.advice)
    assert "export int8: 200 FPS here (fp32 100, fp16 50): seg-export --int8 --cc 7.5 --engine tensorrt" in advice
    assert "no tensor cores: fp16 and int8 may be slower than fp32" in advice
    machine.simulation.check_clean()


def test_a_t4_is_of_the_same_capability_and_has_them() -> None:
    found = run(Machine(T4))
    assert found.tensor_cores is True
    assert "no tensor cores" not in "\n".join(found.advice)
    text = shown(found)
    assert "Tesla T4, compute capability 7.5, driver 550.54, CUDA 12.4" in text
    assert "200 FPS" in text


def test_precisions_as_fast_within_the_spread_give_way_to_the_more_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    for precision in SECONDS:
        monkeypatch.setitem(SECONDS, precision, 0.01)
    (line, *_) = run(Machine(T4)).advice
    assert line.startswith("export fp32: 100 FPS here")


def test_without_a_driver_it_says_why_and_rtx_builds_for_the_card_all_the_same() -> None:
    machine = Machine(gpu=None, flavours=("tensorrt", "tensorrt-rtx"))
    found = run(machine)
    assert found.gpu is None
    assert found.tensor_cores is None
    assert found.gpu_problem == str(NO_DRIVER)
    assert machine.builds == [("tensorrt-rtx", precision, "7.5") for precision in SECONDS]
    assert all(engine.rate is None and engine.problem is None for engine in found.engines)
    text = shown(found)
    assert "check nvidia-smi" in text
    assert "built for the GTX 1660 Ti in 1.0 s; not timed: no GPU" in text
    assert all(f"- {line}" in text for line in found.advice)
    advice = "\n".join(found.advice)
    assert "no GPU, so nothing was timed on one: fp32, fp16, int8 build for the GTX 1660 Ti" in advice
    assert "this would time an engine of each precision" in advice
    assert "int8 on compute capability 7.5 is not among what NVIDIA supports in TensorRT-RTX" in advice
    assert "on this CPU OpenVINO is the fastest: 40 FPS" in advice


def test_without_a_gpu_tensorrt_builds_nothing() -> None:
    machine = Machine(gpu=None, flavours=("tensorrt",))
    assert run(machine).engines == ()
    assert machine.builds == []


def test_without_tensorrt_it_says_what_to_install() -> None:
    found = run(Machine(flavours=()))
    assert [library.version for library in found.libraries] == [None, None]
    assert found.engines == ()
    assert "install TensorRT: pip install 'edgeseg[tensorrt]'" in "\n".join(found.advice)
    assert "not built: no TensorRT that can build here" in shown(found)


def test_a_precision_that_does_not_build_leaves_the_others() -> None:
    machine = Machine(unbuildable=("int8",))
    found = run(machine)
    assert by_precision(found)["int8"].problem == "TensorRT cannot build int8"
    assert by_precision(found)["fp16"].rate is not None
    assert "export fp32: 100 FPS here (fp16 50)" in "\n".join(found.advice)
    machine.simulation.check_clean()


def test_builds_that_take_too_long_are_ended_within_the_time_for_all() -> None:
    machine = Machine(build_seconds=BUILD_SECONDS)
    found = run(machine)
    assert all("took too long" in str(engine.problem) for engine in found.engines[:2])
    assert "no engine could be timed" in "\n".join(found.advice)


@pytest.mark.parametrize("fail_at", [1, 20, 60, 150, 400])
def test_a_gpu_that_fails_when_it_is_used_is_reported(fail_at: int) -> None:
    """At the first call there is no GPU to open, later the context dies: for all that is on the card."""
    machine = Machine(simulation=Simulation(fail_at=fail_at, sticky=True))
    found = run(machine)
    assert machine.simulation.failed_in
    assert all(engine.problem and engine.rate is None for engine in found.engines)
    assert all(engine.build_seconds == 1.0 for engine in found.engines)
    assert "no engine could be timed" in "\n".join(found.advice)
    assert found.cpu[0].rate is not None


def test_a_cpu_library_that_lacks_leaves_the_other() -> None:
    machine = Machine(gpu=None, flavours=())

    def open_on_cpu(path: Path, runner: RunnerName) -> Runner:
        if runner == "onnxruntime":
            raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")
        return machine.open_on_cpu(path, runner)

    found = preflight(here=replace(machine.surroundings(), open_on_cpu=open_on_cpu), seconds=0.5)
    assert found.cpu[0].rate is not None
    assert found.cpu[1].problem == "onnxruntime is not installed; run: pip install 'edgeseg[export]'"


def test_without_onnx_nothing_is_built_and_it_is_said() -> None:
    def lacks(path: Path, folder: Path) -> dict[Precision, Path]:
        raise MissingDependencyError("onnx is not installed; run: pip install 'edgeseg[export]'")

    found = preflight(here=replace(Machine().surroundings(), write_models=lacks), seconds=0.5)
    assert [engine.problem for engine in found.engines] == [
        "onnx is not installed; run: pip install 'edgeseg[export]'"
    ] * 3


def test_only_a_model_that_is_none_is_an_error(tmp_path: Path, refused: "Refused") -> None:
    with refused(r"none.onnx: no such file; need one that edgeseg wrote"):
        preflight(tmp_path / "none.onnx", here=Machine().surroundings())
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with refused("broken.onnx: not an ONNX file"):
        preflight(broken, here=replace(Machine().surroundings(), write_models=write_models))


def test_runners_take_turns() -> None:
    """A machine that slows down in the middle slows both."""
    clock = Clock()
    turns: list[int] = []

    class Noted(Paced):
        number = 0

        def _stream(self, frames: Iterable[Frames]) -> Generator[Inferred, None, None]:
            turns.append(self.number)
            return super()._stream(frames)

    first, second = Noted(clock, 0.01), Noted(clock, 0.02)
    second.number = 1
    rates = probe([first, second], 1.0, clock)
    assert turns == [0, 1] * ROUNDS
    assert [rate.median for rate in rates] == pytest.approx([100, 50])


def test_a_model_is_built_in_the_precisions_that_lie_beside_it(artefacts: "Artefacts", tmp_path: Path) -> None:
    assert write_models(artefacts.onnx["fp16"], tmp_path) == artefacts.onnx
    alone = tmp_path / "mine.onnx"
    alone.write_bytes(artefacts.onnx["int8"].read_bytes())
    assert write_models(alone, tmp_path) == {"int8": alone}


def test_the_real_builder_builds_every_precision_without_a_gpu(artefacts: "Artefacts") -> None:
    pytest.importorskip("tensorrt_rtx", reason="the builder is tensorrt_rtx, which is not installed")
    machine = Machine(gpu=None)
    real = Surroundings()
    here = replace(machine.surroundings(), load=real.load, write_models=write_models, build=build, clock=real.clock)
    steps: list[str] = []
    found = preflight(artefacts.onnx["fp16"], steps.append, replace(here, open_on_cpu=real.open_on_cpu), seconds=0.1)
    assert [engine.problem for engine in found.engines] == [None] * 3
    assert all(engine.flavour == "tensorrt-rtx" and engine.build_seconds for engine in found.engines)
    assert steps == [
        "look for a GPU", "look for TensorRT", "build fp32", "build fp16", "build int8", "time the CPU",
    ]  # fmt: skip
    assert all(each.rate is not None and each.rate.median > 0 for each in found.cpu)
    assert found.model == artefacts.onnx["fp16"].name


@pytest.mark.gpu
def test_a_real_card_is_timed() -> None:
    find_gpu = Surroundings().find_gpu
    try:
        gpu = find_gpu()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    found = preflight(seconds=0.5)
    assert found.gpu == gpu
    assert any(engine.rate is not None for engine in found.engines)
