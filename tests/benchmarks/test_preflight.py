"""A preflight in every situation: simulated cards, what is missing, what does not build; the real RTX builder."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rich.console import Console

import segbench.preflight.preflight
from helpers.engine_files import toy_spec, write_engine
from helpers.progress import Told
from helpers.simulated_device import Simulation
from helpers.simulated_tensorrt import Program, libraries_of, toy_program
from segbench.artefacts import models_by_precision
from segbench.preflight.gpu import Gpu, SeenCard, find_gpu
from segbench.preflight.preflight import BUILD_SECONDS, ROUNDS, Preflight, Probe, preflight, probe
from segbench.preflight.table import advise, next_commands, print_preflight
from segdata.errors import EdgeSegError, MissingDependencyError
from segdata.spec import Precision
from segrun.options import RunnerName
from segrun.runners.base import Frames, Inferred, Labels, Runner
from segrun.runners.tensorrt.library import TensorRT, find_tensorrt
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
    """A machine for a preflight; `builds` lists what was asked for."""

    gpu: Gpu | None = GTX
    flavours: tuple[Flavour, ...] = ("tensorrt",)
    unbuildable: tuple[Precision, ...] = ()
    clock: Clock = field(default_factory=Clock)
    simulation: Simulation = field(default_factory=Simulation)
    build_seconds: float = 1.0
    builds: list[tuple[str, str, str]] = field(default_factory=list)

    def put(self, monkeypatch: pytest.MonkeyPatch) -> "Machine":
        """Make preflight see this machine."""
        parts = {
            "find_gpu": self.find_gpu,
            "load_tensorrt": self.load,
            "models_by_precision": self.models_by_precision,
            "build": self.build,
            "open_runner": self.open_runner,
            "_clock": self.clock,
        }
        for name, part in parts.items():
            monkeypatch.setattr(segbench.preflight.preflight, name, part)
        return self

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

    def models_by_precision(self, path: Path, folder: Path) -> dict[Precision, Path]:
        return {precision: folder / f"{precision}.onnx" for precision in PRECISIONS}

    def build(self, library: TensorRT, model: Path, capability: str, on_progress: Callable[[], None]) -> Path:
        self.builds.append((library.flavour, model.stem, capability))
        if model.stem in self.unbuildable:
            raise EdgeSegError(f"TensorRT cannot build {model.stem}")
        self.clock.now += self.build_seconds
        on_progress()
        engine = model.with_suffix(".engine")
        return write_engine(engine, toy_spec(HEIGHT, WIDTH), model.stem.encode(), precision=model.stem)

    def open_runner(self, path: Path, runner: RunnerName = "auto") -> Runner:
        if path.suffix == ".engine":
            return TensorRTRunner(path, libraries=self.libraries("tensorrt"))
        return Paced(self.clock, {"openvino": 0.025, "onnxruntime": 0.040}[runner])


Run = Callable[[Machine], Preflight]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    def preflight_of(machine: Machine) -> Preflight:
        machine.put(monkeypatch)
        return preflight(seconds=0.5)

    return preflight_of


def shown(found: Preflight) -> str:
    console = Console(width=250)
    with console.capture() as capture:
        print_preflight(found, console)
    return capture.get()


def by_precision(found: Preflight) -> dict[str, Probe]:
    return {engine.name: engine for engine in found.engines}


def test_the_table_says_what_is_installed_and_how_to_install_what_is_not(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = "torch is not installed; run: pip install 'edgeseg[train]'"

    def installed(extra: str) -> str:
        if extra == "train":
            raise MissingDependencyError(problem)
        return "aiohttp 3.14.5"

    monkeypatch.setattr(segbench.preflight.preflight, "installed", installed)
    lines = [" ".join(line.split()) for line in shown(run(Machine())).splitlines()]
    assert f"seg-train no {problem}" in lines
    assert "seg-run --serve yes aiohttp 3.14.5" in lines


def test_a_gtx_1660_ti_is_timed_in_every_precision_and_has_no_tensor_cores(run: Run) -> None:
    machine = Machine()
    found = run(machine)
    assert (found.gpu, found.gpu_problem, GTX.tensor_cores) == (GTX, None, False)
    assert machine.builds == [("tensorrt", precision, "7.5") for precision in SECONDS]
    for precision, engine in by_precision(found).items():
        assert engine.problem is None
        assert engine.found == "built for the NVIDIA GeForce GTX 1660 Ti in 1.0 s"
        assert engine.rate is not None
        assert len(engine.rate.rounds) == ROUNDS
        assert engine.rate.median == pytest.approx(1 / SECONDS[precision])
    advice = "\n".join(advise(found))
    assert "export int8: 200 FPS here (fp32 100, fp16 50)" in advice
    assert [*next_commands(found)] == ["seg-export --int8 --cc 7.5 --engine tensorrt", "seg-bench exports/*.engine"]
    assert "no tensor cores: fp16 and int8 may be slower than fp32" in advice
    machine.simulation.check_clean()


def test_a_t4_is_of_the_same_capability_and_has_them(run: Run) -> None:
    found = run(Machine(T4))
    assert T4.tensor_cores is True
    assert "no tensor cores" not in "\n".join(advise(found))
    text = shown(found)
    assert "Tesla T4, compute capability 7.5, driver 550.54, CUDA 12.4" in text
    assert "200 FPS" in text


def test_precisions_as_fast_within_the_spread_give_way_to_the_more_exact(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for precision in SECONDS:
        monkeypatch.setitem(SECONDS, precision, 0.01)
    (line, *_) = advise(run(Machine(T4)))
    assert line.startswith("export fp32: 100 FPS here")


def test_without_a_driver_it_says_why_and_rtx_builds_for_the_card_all_the_same(run: Run) -> None:
    machine = Machine(gpu=None, flavours=("tensorrt", "tensorrt-rtx"))
    found = run(machine)
    assert found.gpu is None
    assert found.gpu_problem == str(NO_DRIVER)
    assert machine.builds == [("tensorrt-rtx", precision, "7.5") for precision in SECONDS]
    assert all(engine.rate is None and engine.problem is None for engine in found.engines)
    text = shown(found)
    assert "check nvidia-smi" in text
    assert "built for the GTX 1660 Ti in 1.0 s; not timed: no GPU" in text
    assert all(f"- {line}" in text for line in advise(found))
    advice = "\n".join(advise(found))
    assert "no GPU that can be used, so nothing was timed on one: fp32, fp16, int8 build for the GTX 1660 Ti" in advice
    assert "on the machine with the card this times an engine of each precision" in advice
    assert "NVIDIA does not support int8 on compute capability 7.5 in TensorRT-RTX" in advice
    assert "on this CPU OpenVINO is the fastest: 40 FPS" in advice


def test_without_a_gpu_tensorrt_builds_nothing(run: Run) -> None:
    machine = Machine(gpu=None, flavours=("tensorrt",))
    assert run(machine).engines == ()
    assert machine.builds == []


def test_without_tensorrt_it_says_what_to_install(run: Run) -> None:
    found = run(Machine(flavours=()))
    assert [library.problem for library in found.libraries] == [str(NO_TENSORRT)] * 2
    assert found.engines == ()
    assert "driver 550 has CUDA 12, which tensorrt-cu12 needs; TensorRT itself needs 580 or later" in shown(found)
    assert [*next_commands(found)] == ["pip install 'edgeseg[export,gpu-wheels]' tensorrt-cu12", "seg-bench preflight"]
    assert "not built: no TensorRT that can build here" in shown(found)


@pytest.mark.parametrize(
    ("driver", "said", "command"),
    [
        ("580.65.06", "driver 580 has CUDA 13, which TensorRT needs", "pip install 'edgeseg[export,tensorrt]'"),
        ("535.183.01", "driver 535 has CUDA 12", "pip install 'edgeseg[export,gpu-wheels]' tensorrt-cu12"),
        ("470.256", "driver 470 is too old: install 580 or later", "pip install 'edgeseg[export,tensorrt]'"),
        ("of unknown version", "a card needs NVIDIA's driver 580 or later", "pip install 'edgeseg[export,tensorrt]'"),
    ],
)
def test_a_card_that_cannot_be_used_yet_gets_its_driver_judged_and_the_commands_in_order(
    run: Run, monkeypatch: pytest.MonkeyPatch, driver: str, said: str, command: str
) -> None:
    card = SeenCard("NVIDIA GeForce GTX 1660 Ti", driver)
    monkeypatch.setattr(segbench.preflight.preflight, "seen_card", lambda: card)
    text = shown(run(Machine(gpu=None, flavours=("tensorrt-rtx",))))
    assert f"- {said}" in text
    assert "once the card can be used, this times" in text
    assert text.endswith(f"Next, in this order:\n  {command}\n  seg-bench preflight\n")


def test_without_a_card_the_commands_export_for_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segbench.preflight.preflight, "seen_card", lambda: None)
    found = run(Machine(gpu=None, flavours=("tensorrt",)))
    commands = ["pip install 'edgeseg[rtx]'", "seg-export --all --cc 7.5", "seg-bench exports/*.onnx"]
    assert [*next_commands(found)] == commands
    assert "a card needs NVIDIA's driver 580 or later, which has CUDA 13" in shown(found)


@pytest.mark.parametrize("no_color", ["", "1"])
def test_usable_and_not_are_told_apart_by_colour_on_a_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch, no_color: str
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm-256color")
    console = Console(width=250, force_terminal=True)
    with console.capture() as capture:
        print_preflight(run(Machine()), console)
    assert ("\x1b[32myes" in capture.get()) == (not no_color)


def test_a_precision_that_does_not_build_leaves_the_others(run: Run) -> None:
    machine = Machine(unbuildable=("int8",))
    found = run(machine)
    assert by_precision(found)["int8"].problem == "TensorRT cannot build int8"
    assert by_precision(found)["fp16"].rate is not None
    assert "export fp32: 100 FPS here (fp16 50)" in "\n".join(advise(found))
    machine.simulation.check_clean()


def test_builds_that_take_too_long_are_ended_within_the_time_for_all(run: Run) -> None:
    machine = Machine(build_seconds=BUILD_SECONDS)
    found = run(machine)
    assert all("took too long" in str(engine.problem) for engine in found.engines[:2])
    assert "no engine could be timed" in "\n".join(advise(found))


@pytest.mark.parametrize("fail_at", [1, 20, 60, 150, 400])
def test_a_gpu_that_fails_when_it_is_used_is_reported(run: Run, fail_at: int) -> None:
    """At the first call there is no GPU to open; later the context dies, for everything on the card."""
    machine = Machine(simulation=Simulation(fail_at=fail_at, sticky=True))
    found = run(machine)
    assert machine.simulation.failed_in
    assert all(engine.problem and engine.rate is None for engine in found.engines)
    assert all(engine.found.endswith("in 1.0 s") for engine in found.engines)
    assert "no engine could be timed" in "\n".join(advise(found))
    assert found.cpu[0].rate is not None


def test_a_cpu_library_that_is_missing_leaves_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(gpu=None, flavours=()).put(monkeypatch)

    def open_runner(path: Path, runner: RunnerName) -> Runner:
        if runner == "onnxruntime":
            raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")
        return machine.open_runner(path, runner)

    monkeypatch.setattr(segbench.preflight.preflight, "open_runner", open_runner)
    found = preflight(seconds=0.5)
    assert found.cpu[0].rate is not None
    assert found.cpu[1].problem == "onnxruntime is not installed; run: pip install 'edgeseg[export]'"


def test_without_onnx_nothing_is_built_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Path, folder: Path) -> dict[Precision, Path]:
        raise MissingDependencyError("onnx is not installed; run: pip install 'edgeseg[export]'")

    Machine().put(monkeypatch)
    monkeypatch.setattr(segbench.preflight.preflight, "models_by_precision", missing)
    assert [engine.problem for engine in preflight(seconds=0.5).engines] == [
        "onnx is not installed; run: pip install 'edgeseg[export]'"
    ] * 3


def test_only_a_model_that_is_none_is_an_error(
    tmp_path: Path, refused: "Refused", monkeypatch: pytest.MonkeyPatch
) -> None:
    Machine().put(monkeypatch)
    monkeypatch.setattr(segbench.preflight.preflight, "models_by_precision", models_by_precision)
    with refused(r"none.onnx: no such file; need one that edgeseg wrote"):
        preflight(tmp_path / "none.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with refused("broken.onnx: not an ONNX file"):
        preflight(broken)


def test_runners_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slows down in the middle slows both."""
    clock = Clock()
    monkeypatch.setattr(segbench.preflight.preflight, "_clock", clock)
    turns: list[int] = []

    class Noted(Paced):
        number = 0

        def _stream(self, frames: Iterable[Frames]) -> Generator[Inferred, None, None]:
            turns.append(self.number)
            return super()._stream(frames)

    first, second = Noted(clock, 0.01), Noted(clock, 0.02)
    second.number = 1
    rates = probe({"first": first, "second": second}, 1.0)
    assert turns == [0, 0, 1, 1, *[0, 1] * ROUNDS]  # warmed up one after the other
    assert clock.now == pytest.approx(2 * 3 * (0.01 + 0.02) + 2 * 1.0)  # and then a second each
    assert [rate.median for rate in rates.values()] == pytest.approx([100, 50])


def test_a_model_is_built_in_the_precisions_that_lie_beside_it(artefacts: "Artefacts", tmp_path: Path) -> None:
    """Copied, since the engines of a test are not to lie, or to replace others, beside the user's files."""
    copies = models_by_precision(artefacts.onnx["fp16"], tmp_path)
    assert copies == {each: tmp_path / path.name for each, path in artefacts.onnx.items()}
    assert all(copies[each].read_bytes() == path.read_bytes() for each, path in artefacts.onnx.items())
    alone = tmp_path / "own" / "mine.onnx"
    alone.parent.mkdir()
    alone.write_bytes(artefacts.onnx["int8"].read_bytes())
    assert models_by_precision(alone, tmp_path) == {"int8": tmp_path / "mine.onnx"}


def test_the_real_builder_builds_every_precision_without_a_gpu(
    artefacts: "Artefacts", monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="the builder is tensorrt_rtx, which is not installed")
    monkeypatch.setattr(segbench.preflight.preflight, "find_gpu", Machine(gpu=None).find_gpu)
    told = Told()
    found = preflight(artefacts.onnx["fp16"], told, seconds=0.1)
    assert [engine.problem for engine in found.engines] == [None] * 3
    assert found.flavour == "tensorrt-rtx"
    assert all(engine.found.startswith("built for the GTX 1660 Ti in ") for engine in found.engines)
    assert told.notes == [
        "look for a GPU", "look for TensorRT", "build fp32", "build fp16", "build int8", "time the CPU",
    ]  # fmt: skip
    assert all(each.rate is not None and each.rate.median > 0 for each in found.cpu)
    assert found.model == artefacts.onnx["fp16"].name


@pytest.mark.gpu
def test_a_real_card_is_timed() -> None:
    try:
        gpu = find_gpu()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    if find_tensorrt() is None:
        pytest.skip("neither TensorRT nor TensorRT-RTX is installed")
    found = preflight(seconds=0.5)
    assert found.gpu == gpu
    problems = {engine.problem for engine in found.engines}
    if any("does not know compute capability" in str(problem) for problem in problems):
        pytest.skip(f"TensorRT-RTX has no engines for this GPU: {problems}")
    assert any(engine.rate is not None for engine in found.engines)
