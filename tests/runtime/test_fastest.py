"""The fastest way to run a network is measured and stored; a failure in it never stops a run."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from helpers.seeing_runner import SkyAndPerson
from segdata.errors import ContractError, EdgeSegError
from segdata.shipped import DEFAULT_ONNX, model_files
from segdata.synth import scene
from segrun.runners.base import Frames, Inferred
from segrun.runners.fastest import Opener, open_fastest
from segrun.runners.onnxruntime import OnnxRuntimeRunner
from segrun.runners.open import open_runner
from segrun.runners.openvino import OpenVINORunner
from segrun.segmenter import Segmenter

if TYPE_CHECKING:
    from conftest import Artefacts

Refused = Callable[..., AbstractContextManager[None]]


class Machine:
    """A clock, and runners that take a known time on it; `opened` lists the runners that were opened, in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self.opened: list[str] = []
        self.runners: dict[str, SkyAndPerson] = {}

    def clock(self) -> float:
        return self.now

    def ways(self, **seconds: float | EdgeSegError) -> dict[str, Opener]:
        return {name: partial(self._open, name, each) for name, each in seconds.items()}

    def _open(self, name: str, seconds: float | EdgeSegError) -> SkyAndPerson:
        self.opened.append(name)
        if isinstance(seconds, EdgeSegError):
            raise seconds
        self.runners[name] = Paced(self, seconds)
        return self.runners[name]


class Paced(SkyAndPerson):
    """Takes a time of the machine's clock for a frame."""

    def __init__(self, machine: Machine, seconds: float) -> None:
        super().__init__()
        self._machine, self._seconds = machine, seconds

    def _infer(self, frames: Frames) -> Inferred:
        self._machine.now += self._seconds
        return super()._infer(frames)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own; `files` are those in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def files(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


def test_the_fastest_is_taken_and_the_others_are_closed() -> None:
    machine = Machine()
    runner, found = open_fastest(machine.ways(f32=0.02, bf16=0.03, int8=0.01), ["here"], machine.clock)
    assert runner is machine.runners["int8"]
    assert found is not None
    assert found.rates == pytest.approx({"f32": 50, "bf16": 1000 / 30, "int8": 100})
    assert str(found) == "int8: 100 FPS in a probe; the other ways 33 to 50"
    assert [name for name, each in machine.runners.items() if each._closed] == ["f32", "bf16"]


def test_it_is_measured_once(cache: Path) -> None:
    first, second = Machine(), Machine()
    _, found = open_fastest(first.ways(f32=0.02, int8=0.01), ["here"], first.clock)
    runner, again = open_fastest(second.ways(f32=0.02, int8=0.01), ["here"], second.clock)
    assert (second.opened, second.now, again) == (["int8"], 0, found)
    assert runner is second.runners["int8"]


@pytest.mark.parametrize(
    ("key", "seconds"), [(["there"], {"f32": 0.02, "int8": 0.01}), (["here"], {"f32": 0.02, "bf16": 0.01})]
)
def test_on_another_machine_or_of_other_ways_it_is_measured_again(key: list[str], seconds: dict[str, float]) -> None:
    first, second = Machine(), Machine()
    open_fastest(first.ways(f32=0.02, int8=0.01), ["here"], first.clock)
    open_fastest(second.ways(**seconds), key, second.clock)
    assert second.opened == list(seconds)


def test_a_hopeless_way_is_not_measured_for_long() -> None:
    machine = Machine()
    _, found = open_fastest(machine.ways(f32=0.01, f16=1.0), ["here"], machine.clock)
    assert found is not None
    assert found.name == "f32"
    assert len(machine.runners["f16"].seen) == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"\xff\x00", b'{"name": "of another", "rates": {}}', b'{"name": "int8", "rates": {}}', b"[1]"],
)
def test_a_damaged_memory_is_measured_anew(cache: Path, content: bytes) -> None:
    machine = Machine()
    ways = machine.ways(f32=0.02, int8=0.01)
    open_fastest(ways, ["here"], machine.clock)
    (remembered,) = files(cache)
    remembered.write_bytes(content)
    runner, found = open_fastest(ways, ["here"], machine.clock)
    assert runner is machine.runners["int8"]
    assert remembered.read_bytes() != content
    assert str(found).startswith("int8: ")


def test_a_cache_that_cannot_be_written_is_no_error(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    for _ in range(2):
        machine = Machine()
        runner, _ = open_fastest(machine.ways(f32=0.02, int8=0.01), ["here"], machine.clock)
        assert runner is machine.runners["int8"]
        assert len(machine.opened) == 2


def test_a_user_without_a_home_gets_no_folder_where_he_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As containers have them that run under a number without a name."""
    pwd = pytest.importorskip("pwd")
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    for _ in range(2):
        machine = Machine()
        runner, _found = open_fastest(machine.ways(f32=0.02, int8=0.01), ["here"], machine.clock)
        assert runner is machine.runners["int8"]
    assert list(tmp_path.iterdir()) == []


def test_ways_that_cannot_run_here_are_left_out_and_the_first_problem_is_told_if_none_can(refused: Refused) -> None:
    machine = Machine()
    runner, _ = open_fastest(machine.ways(f16=ContractError("no f16"), f32=0.02), ["here"], machine.clock)
    assert runner is machine.runners["f32"]
    with refused("no f16", ContractError):
        open_fastest(machine.ways(f16=ContractError("no f16"), f32=ContractError("nor this")), ["there"], machine.clock)


def test_without_a_name_it_is_the_most_accurate_model() -> None:
    with open_runner() as runner, OpenVINORunner(model_files(Path("unet-256-lite"))[0], "f32") as lite:
        frames = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3), dtype=np.uint8)
        assert runner.weights == lite.weights
        assert (runner(frames) == lite(frames)).mean() > 0.8


def test_a_shipped_model_runs_in_the_way_that_was_fastest() -> None:
    with open_runner(Path("unet-256")) as runner, OpenVINORunner(DEFAULT_ONNX[0], "f32") as exact:
        name, _, speed = runner.chosen.partition(": ")
        file, _, arithmetic = name.partition(" in ")
        assert file in {path.name for path in DEFAULT_ONNX}
        assert runner.computes.removeprefix("int8/") == arithmetic
        assert "FPS in a probe; the " in speed
        frames = scene(4, 256, 256).image[None]  # of noise, INT8 takes some pixels for others on older processors
        assert (runner(frames) == exact(frames)).mean() > 0.9
    with Segmenter("unet-256") as segmenter:
        assert segmenter.chosen.startswith(name)


def test_an_arithmetic_that_was_named_is_taken(artefacts: "Artefacts", refused: Refused) -> None:
    for arithmetic in OpenVINORunner.arithmetics():
        with open_runner(artefacts.onnx["fp32"], arithmetic=arithmetic) as runner:  # type: ignore[arg-type]
            assert (runner.computes, runner.chosen) == (arithmetic, "")
    with refused("got arithmetic bf16, but ONNX Runtime has f32 here; take one of these, or auto"):
        open_runner(artefacts.onnx["fp32"], "onnxruntime", arithmetic="bf16")


def test_float32_gives_the_labels_of_onnx_runtime(artefacts: "Artefacts") -> None:
    """Float32 uses another operation for argmax; in both, ties go to the lower class."""
    frames = np.random.default_rng(1).integers(0, 256, (8, 1, 64, 64, 3), dtype=np.uint8)
    with OpenVINORunner(artefacts.onnx["fp32"], "f32") as ours, OnnxRuntimeRunner(artefacts.onnx["fp32"]) as theirs:
        equal = [(ours(each) == theirs(each)).mean() for each in frames]
    assert np.mean(equal) > 0.9999
