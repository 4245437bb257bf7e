"""The warnings of a benchmark: what slowed it, what was lost, and why to doubt its figures."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import segbench.bench
import segbench.measure.contender
from helpers.bench_runs import CARD, ORDER, options_for, quietly
from segbench.measure.speed import end_to_end
from segdata.dataset.dataset import Dataset
from segdata.errors import EdgeSegError
from segdata.video.reader import VideoReader
from segrun.drawing.drawing import Drawing
from segrun.pipeline.account import RunReport
from segrun.runners.base import Frames, Inferred, Runner
from segrun.runners.onnxruntime import OnnxRuntimeRunner
from segrun.sinks.video import VideoSink

if TYPE_CHECKING:
    from conftest import Artefacts


Refused = Callable[..., AbstractContextManager[None]]

SLOW_SECONDS = 0.06  # a frame, at least; every other stage takes a few milliseconds of these small frames


def slowed(work: Callable[..., Any]) -> Callable[..., Any]:
    def slow(*arguments: object) -> Any:  # noqa: ANN401
        time.sleep(SLOW_SECONDS)
        return work(*arguments)

    return slow


def slowly_read(work: Callable[..., Any]) -> Callable[..., Any]:
    def read(reader: VideoReader) -> Iterator[object]:
        for item in work(reader):
            time.sleep(SLOW_SECONDS)
            yield item

    return read


@pytest.mark.parametrize(
    ("stage", "owner", "method", "slowdown"),
    [
        ("network", OnnxRuntimeRunner, "_infer", slowed),
        ("draw", Drawing, "draw", slowed),
        ("write", VideoSink, "write", slowed),
        ("decode", VideoReader, "read", slowly_read),
    ],
)
def test_a_slow_stage_is_found_and_named(
    artefacts: "Artefacts",
    street_video: Path,
    monkeypatch: pytest.MonkeyPatch,
    unweighed: None,
    stage: str,
    owner: type,
    method: str,
    slowdown: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> None:
    monkeypatch.setattr(owner, method, slowdown(getattr(owner, method)))
    found = quietly(options_for(artefacts, street_video, rounds=1, artefacts=(artefacts.onnx["fp32"],)))
    (result,) = found.results
    stages = result.stage_milliseconds
    assert stages[stage] >= 1000 * SLOW_SECONDS
    assert max(stages, key=stages.__getitem__) == stage
    # Where there is one core, all stages share it, and what binds is said in other words.
    said = " ".join(found.verdict.sentences)
    assert f"{stage} binds: " in said or f"{stage} works longest" in said
    assert result.end_to_end.median < 1 / SLOW_SECONDS


class Lost(OnnxRuntimeRunner):
    """A runner whose GPU is lost at a given frame."""

    def __init__(self, path: Path, at: int) -> None:
        super().__init__(path)
        self.left = at

    def _infer(self, frames: Frames) -> Inferred:
        self.left -= 1
        if self.left < 0:
            raise EdgeSegError("the GPU is lost; see what nvidia-smi says")
        return super()._infer(frames)


WARM_UP, ENGINE, VIDEO, EVALUATION = 3, 3, 12, 128  # frames that the runner for files takes


def losing(monkeypatch: pytest.MonkeyPatch, at: int, *precisions: str) -> None:
    """Lose the device of some artefacts at frame `at` of their runner for files."""

    def open_runner(path: Path, runner: str, *, throughput: bool = False) -> Runner:
        lost = throughput and path.name.split(".")[1] in precisions
        return Lost(path, at) if lost else OnnxRuntimeRunner(path)

    monkeypatch.setattr(segbench.measure.contender, "open_runner", open_runner)


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(WARM_UP + ENGINE + VIDEO + 1, id="engine of round 2"),
        pytest.param(WARM_UP + 2 * ENGINE + VIDEO + 5, id="end to end of round 2"),
        pytest.param(WARM_UP + 2 * (ENGINE + VIDEO) + 100, id="accuracy"),
        pytest.param(WARM_UP + 2 * (ENGINE + VIDEO) + EVALUATION + 5, id="quality"),
    ],
)
def test_an_artefact_whose_gpu_is_lost_is_left_out(
    artefacts: "Artefacts",
    dataset: Dataset,
    street_video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unweighed: None,
    at: int,
) -> None:
    losing(monkeypatch, at, "int8")
    found = quietly(options_for(artefacts, street_video, data=dataset.folder, quality=tmp_path))
    assert [result.precision for result in found.results] == ["fp32", "fp16"]
    assert all(len(result.end_to_end.rounds) == 2 for result in found.results)
    assert all(result.accuracy is not None for result in found.results)
    assert [result.artefact for result in found.quality] == ["small.fp16.onnx"]
    (warning,) = [warning for warning in found.warnings if "int8" in warning]
    assert warning.startswith("small.int8.onnx failed and is left out: the GPU is lost; see what nvidia-smi says")
    assert not any("int8" in sentence for sentence in found.verdict.sentences)


def test_a_reference_that_is_lost_leaves_no_change_behind(
    artefacts: "Artefacts", dataset: Dataset, street_video: Path, monkeypatch: pytest.MonkeyPatch, unweighed: None
) -> None:
    losing(monkeypatch, WARM_UP + 1, "fp32")
    found = quietly(options_for(artefacts, street_video, data=dataset.folder, rounds=1))
    assert [result.accuracy.change for result in found.results if result.accuracy] == [None, None]


def test_if_every_artefact_is_lost_the_error_says_why(
    artefacts: "Artefacts", street_video: Path, monkeypatch: pytest.MonkeyPatch, unweighed: None, refused: Refused
) -> None:
    losing(monkeypatch, WARM_UP + 1, *ORDER)
    with refused("the GPU is lost; see what nvidia-smi says", EdgeSegError):
        quietly(options_for(artefacts, street_video))


def warnings_of(made: "Artefacts", drive: Path) -> tuple[str, ...]:
    return quietly(options_for(made, drive, artefacts=(made.onnx["fp32"],))).warnings


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch, unweighed: None) -> None:
    """A quiet machine without a card, all of whose rounds are the same."""
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.1, 0.1))
    monkeypatch.setattr(segbench.measure.contender, "engine_rate", lambda *_: 100.0)

    def same(video: Path, folder: Path, runner: Runner) -> RunReport:
        return replace(end_to_end(video, folder, runner), seconds=0.5)

    monkeypatch.setattr(segbench.measure.contender, "end_to_end", same)
    monkeypatch.setattr(segbench.bench, "card_state", lambda nvml: None)


def test_a_quiet_machine_is_not_warned_of(artefacts: "Artefacts", street_video: Path, calm: None) -> None:
    assert warnings_of(artefacts, street_video) == ()


@pytest.mark.parametrize(("rate", "warned"), [(104.0, False), (108.0, True)])
def test_rounds_that_lie_far_apart_are_warned_of(
    artefacts: "Artefacts",
    street_video: Path,
    calm: None,
    monkeypatch: pytest.MonkeyPatch,
    rate: float,
    warned: bool,
) -> None:
    rates = iter([100.0, rate])
    monkeypatch.setattr(segbench.measure.contender, "engine_rate", lambda *_: next(rates))
    said = warnings_of(artefacts, street_video)
    assert bool(said) is warned
    assert not warned or said[0].endswith("more --rounds help): small.fp32.onnx (engine 8%)")


def test_end_to_end_rounds_that_lie_far_apart_are_warned_of(
    artefacts: "Artefacts", street_video: Path, calm: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = count(1)

    def uneven(video: Path, folder: Path, runner: Runner) -> RunReport:
        return replace(end_to_end(video, folder, runner), seconds=float(next(seconds)))

    monkeypatch.setattr(segbench.measure.contender, "end_to_end", uneven)
    (said,) = warnings_of(artefacts, street_video)
    assert said.startswith("rounds of FPS lie over 5% apart")
    assert said.endswith(": small.fp32.onnx (end-to-end 67%)")  # 12 and 6


def test_a_busy_machine_is_warned_of_and_its_load_is_that_before(
    artefacts: "Artefacts", street_video: Path, calm: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The load after is the benchmark's own."""
    loads = iter([3.0, 40.0])
    monkeypatch.setattr(os, "getloadavg", lambda: (next(loads), 0.0, 0.0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    found = quietly(options_for(artefacts, street_video, artefacts=(artefacts.onnx["fp32"],)))
    assert found.warnings == ("the machine was busy before: a load of 3.0 on 2 cores",)
    assert found.machine.load == 3.0


@pytest.mark.parametrize(("before", "after"), [(("its temperature",), ()), ((), ("the power limit", "a power brake"))])
def test_a_card_that_is_slowed_down_is_warned_of(
    artefacts: "Artefacts",
    street_video: Path,
    calm: None,
    monkeypatch: pytest.MonkeyPatch,
    before: tuple[str, ...],
    after: tuple[str, ...],
) -> None:
    states = iter([replace(CARD, throttled_by=before), replace(CARD, throttled_by=after)])
    monkeypatch.setattr(segbench.bench, "card_state", lambda nvml: next(states))
    found = quietly(options_for(artefacts, street_video, artefacts=(artefacts.onnx["fp32"],)))
    when, reasons = ("before", before) if before else ("after", after)
    assert found.warnings == (f"the card was slowed down by {', '.join(reasons)} {when} the measurement",)
    assert found.machine.card == replace(CARD, throttled_by=after)
