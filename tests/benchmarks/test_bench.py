"""A benchmark: artefacts side by side, in interleaved rounds, and everything that stands beside their figures."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx
import pytest

import segbench.bench
import segbench.contender
from segbench.accuracy import accuracy_of, change_of, image_matrices
from segbench.bench import bench
from segbench.machine import this_machine
from segbench.nvml import Card
from segbench.options import BenchOptions
from segbench.report import write_json
from segbench.results import BenchReport, read_report
from segbench.speed import end_to_end, engine_rate, latencies
from segdata.dataset import Dataset
from segdata.errors import EdgeSegError
from segdata.files import sha256_of
from segdata.labels import CITYSCAPES_8
from segdata.pyav_reader import VideoReader
from segdata.spec import ModelSpec
from segexport.to_onnx import to_onnx
from segrun.drawing import Drawing
from segrun.onnxruntime_runner import OnnxRuntimeRunner
from segrun.report import RunReport
from segrun.runner import Frames, Labels, Runner
from segrun.video_sink import VideoSink
from segtrain.unet import UNet

if TYPE_CHECKING:
    from conftest import Artefacts

Refused = Callable[..., AbstractContextManager[None]]

ORDER = ("int8", "fp32", "fp16")  # neither the alphabet's nor the usual one
CARD = Card("NVIDIA GeForce GTX 1660 Ti", "570.86", 1770, 6001, 61, (), 300.0)


def options_for(made: "Artefacts", drive: Path, /, **values: Any) -> BenchOptions:  # noqa: ANN401 - its fields
    paths = tuple(made.onnx[precision] for precision in ORDER)
    few = BenchOptions(paths, video=drive, runner="onnxruntime", frames=3, rounds=2)
    return replace(few, **values)


def quietly(options: BenchOptions) -> BenchReport:
    return bench(options, options.artefacts, lambda _: None, lambda _: None)


@pytest.fixture(scope="module")
def report(artefacts: "Artefacts", dataset: Dataset, street_video: Path) -> BenchReport:
    """All of it real."""
    return quietly(options_for(artefacts, street_video, data=dataset.folder))


@pytest.fixture
def unweighed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is measured in a process of its own, which takes a second an artefact."""
    monkeypatch.setattr(segbench.contender, "peak_memory_mb", lambda path, runner: None)


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test fails if anything is timed."""

    def timed(*_: object) -> None:
        raise AssertionError("timed")

    for name in ("warm_up", "engine_rate", "latencies", "end_to_end", "peak_memory_mb"):
        monkeypatch.setattr(segbench.contender, name, timed)


def test_results_are_in_the_order_of_the_artefacts(report: BenchReport, artefacts: "Artefacts") -> None:
    assert [result.precision for result in report.results] == list(ORDER)
    for result, precision in zip(report.results, ORDER, strict=True):
        path = artefacts.onnx[precision]
        assert result.artefact == path.name
        assert result.sha256 == sha256_of(path)
        assert (result.runner, result.device, result.class_count) == ("ONNX Runtime", "CPU", 29)
        assert (result.height, result.width) == (64, 64)
        assert result.computes == ("int8/f32" if precision == "int8" else "f32")


def test_every_figure_is_there(report: BenchReport) -> None:
    for result in report.results:
        assert len(result.engine.rounds) == len(result.end_to_end.rounds) == 2
        assert min(result.engine.rounds + result.end_to_end.rounds) > 0
        assert len(result.latency.milliseconds) == 2 * 3
        assert len(result.end_to_end_latency.milliseconds) == 2 * 12
        assert min(result.latency.milliseconds + result.end_to_end_latency.milliseconds) > 0
        assert set(result.stage_milliseconds) == {"decode", "shrink", "network", "draw", "write"}
        assert {span.stage for span in result.timeline} == set(result.stage_milliseconds)
        assert result.memory_mb is not None
        assert result.memory_mb > 20


def test_accuracy_is_the_artefacts_own_and_its_change_from_float32(
    report: BenchReport, artefacts: "Artefacts", dataset: Dataset
) -> None:
    matrices = {}
    for precision in ORDER:
        with OnnxRuntimeRunner(artefacts.onnx[precision]) as runner:
            matrices[precision] = image_matrices(runner, dataset, lambda: None)
    names = dataset.facts.class_names
    for result in report.results:
        own = matrices[result.precision]
        change = None if result.precision == "fp32" else change_of(own, matrices["fp32"], names, "small.fp32.onnx")
        assert result.accuracy == accuracy_of(own, names, change)


def test_a_report_says_what_it_was_measured_on(report: BenchReport) -> None:
    assert report.video == "street.mp4, 160x96"
    assert report.dataset == "128 evaluation frames of prepared"
    here = this_machine()
    assert (report.machine.processor, report.machine.cores) == (here.processor, here.cores)
    assert report.machine.libraries == here.libraries
    assert report.edgeseg == here.libraries["edgeseg"]
    assert report.created.endswith("+00:00")
    assert report.quality == ()


def test_a_report_ends_in_a_verdict(report: BenchReport) -> None:
    assert report.verdict.recommended in {result.artefact for result in report.results}
    text = " ".join(report.verdict.sentences)
    assert all(result.artefact in text for result in report.results)


def test_the_fastest_within_the_drop_that_is_allowed_is_recommended(
    artefacts: "Artefacts", dataset: Dataset, street_video: Path, unweighed: None
) -> None:
    """What is asked of the benchmark reaches the verdict."""
    asked = quietly(options_for(artefacts, street_video, data=dataset.folder, rounds=1, min_miou=99.9))
    assert asked.verdict.recommended is None
    slow = quietly(options_for(artefacts, street_video, rounds=1, target_fps=1e9))
    assert slow.verdict.recommended is None


def test_artefacts_take_turns_within_each_round(
    artefacts: "Artefacts", street_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, str, int]] = []

    def watched_engine(runner: Runner, frames: Frames, clock: Callable[[], float]) -> float:
        calls.append(("engine", runner.precision, len(frames)))
        return engine_rate(runner, frames, clock)

    def watched_latencies(runner: Runner, frames: Frames, clock: Callable[[], float]) -> Iterator[float]:
        calls.append(("one by one", runner.precision, len(frames)))
        return latencies(runner, frames, clock)

    def watched_run(video: Path, folder: Path, runner: Runner) -> RunReport:
        assert video == street_video
        calls.append(("end to end", runner.precision, 0))
        return end_to_end(video, folder, runner)

    def watched_memory(path: Path, runner: str) -> None:
        calls.append(("memory", path.name.split(".")[1], 0))

    monkeypatch.setattr(segbench.contender, "engine_rate", watched_engine)
    monkeypatch.setattr(segbench.contender, "latencies", watched_latencies)
    monkeypatch.setattr(segbench.contender, "end_to_end", watched_run)
    monkeypatch.setattr(segbench.contender, "peak_memory_mb", watched_memory)
    quietly(options_for(artefacts, street_video))
    alone = [(what, precision, 3) for precision in ORDER for what in ("engine", "one by one")]
    one_round = [*alone, *(("end to end", precision, 0) for precision in ORDER)]
    assert calls == [("memory", precision, 0) for precision in ORDER] + 2 * one_round


def test_progress_counts_every_step(
    artefacts: "Artefacts", dataset: Dataset, street_video: Path, tmp_path: Path, unweighed: None
) -> None:
    totals: list[int] = []
    steps: list[str] = []
    two = (artefacts.onnx["fp32"], artefacts.onnx["int8"])
    options = options_for(artefacts, street_video, data=dataset.folder, quality=tmp_path)
    bench(options, two, totals.append, steps.append)
    assert totals == [len(steps)] == [2 * (1 + 2 + 2 + 128 + 1)]
    assert steps.count("engine") == steps.count("end to end") == 2 * 2
    assert steps.count("memory") == steps.count("quality") == 2
    assert steps.count("accuracy") == 2 * 128


def test_without_a_dataset_there_is_no_accuracy(artefacts: "Artefacts", street_video: Path, unweighed: None) -> None:
    without = quietly(options_for(artefacts, street_video, rounds=1, artefacts=(artefacts.onnx["fp32"],)))
    assert without.dataset is None
    assert [result.accuracy for result in without.results] == [None]


def test_without_a_video_a_drive_is_made(
    artefacts: "Artefacts", street_video: Path, monkeypatch: pytest.MonkeyPatch, unweighed: None
) -> None:
    monkeypatch.setattr(segbench.bench, "SYNTHETIC_SECONDS", 1)
    made = quietly(options_for(artefacts, street_video, video=None, rounds=1, artefacts=(artefacts.onnx["fp16"],)))
    (result,) = made.results
    frames = len(result.end_to_end_latency.milliseconds)
    assert made.video == f"a synthetic drive, 960x540, {frames} frames"
    assert frames >= 10


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"frames": 0}, "got 0 frames and 2 rounds, need 1 or more of each"),
        ({"rounds": 0}, "got 3 frames and 0 rounds, need 1 or more of each"),
        ({"rounds": -1}, "got 3 frames and -1 rounds, need 1 or more of each"),
        ({"video": Path("missing.mp4")}, "missing.mp4: no such file; need a video"),
        ({"data": Path("missing")}, "missing: no dataset"),
        ({"artefacts": (Path("missing.onnx"),)}, "missing.onnx: no such file; need an artefact"),
        ({"artefacts": (Path(__file__),)}, "got a .py, need .onnx or .engine from seg-export"),
        ({"quality": Path(__file__)}, "cannot write .*test_bench.py"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_timed(
    artefacts: "Artefacts", street_video: Path, refused: Refused, untimed: None, values: dict[str, object], said: str
) -> None:
    with refused(said):
        quietly(options_for(artefacts, street_video, **values))


def test_a_video_without_a_frame_is_refused(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path, refused: Refused, untimed: None
) -> None:
    content = bytearray(street_video.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[start:end] = b"\xff" * (end - start)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    with refused("broken.mp4: no frame could be decoded"):
        quietly(options_for(artefacts, broken))


@pytest.fixture(scope="module")
def odd(artefacts: "Artefacts", tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Artefacts that do not fit the others or the dataset: of other classes, of another size, of four frames."""
    folder = tmp_path_factory.mktemp("odd")
    small = {"width": 16, "depth": 3}
    eight = ModelSpec(64, 64, CITYSCAPES_8.name, CITYSCAPES_8.names, CITYSCAPES_8.colours, "unet", small)
    models = {
        "eight": to_onnx(UNet(8, **small).eval(), eight, "fp32"),
        "larger": to_onnx(artefacts.network, replace(artefacts.spec, height=128, width=128), "fp32"),
        "four": to_onnx(artefacts.network, artefacts.spec, "fp32", batch=4),
    }
    for name, model in models.items():
        onnx.save(model, folder / f"{name}.onnx")
    return {name: folder / f"{name}.onnx" for name in models}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "eight",
            "small.fp16.onnx has the classes of cityscapes-29, eight.onnx those of cityscapes-8; measure them apart",
        ),
        ("larger", "prepared holds 64x64 frames, the model takes 128x128; prepare the dataset with --size 128"),
        ("four", "four.onnx takes 4 frames at once, need 1; export it with --batch 1"),
    ],
)
def test_artefacts_that_do_not_fit_are_refused_before_anything_is_timed(
    artefacts: "Artefacts",
    dataset: Dataset,
    street_video: Path,
    odd: dict[str, Path],
    refused: Refused,
    untimed: None,
    name: str,
    said: str,
) -> None:
    both = (artefacts.onnx["fp16"], odd[name])
    with refused(said):
        quietly(options_for(artefacts, street_video, artefacts=both, data=dataset.folder))


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        (tuple(range(160)), "has no frame to evaluate on; prepare it again from more frames of val"),
        (tuple(range(32)), r"\d+ of the 128 evaluation frames calibrated this int8 artefact; prepare the dataset with"),
    ],
)
def test_frames_that_flatter_are_refused_before_anything_is_timed(
    artefacts: "Artefacts",
    dataset: Dataset,
    street_video: Path,
    tmp_path: Path,
    refused: Refused,
    untimed: None,
    calibration: tuple[int, ...],
    said: str,
) -> None:
    changed = shutil.copytree(dataset.folder, tmp_path / "changed")
    facts = replace(dataset.facts, calibration=calibration)
    (changed / "dataset.json").write_text(facts.to_json())
    with refused(said):
        quietly(options_for(artefacts, street_video, data=changed))


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
    """A runner whose GPU is lost at a frame."""

    def __init__(self, path: Path, at: int) -> None:
        super().__init__(path)
        self.left = at

    def _infer(self, frames: Frames) -> Labels:
        self.left -= 1
        if self.left < 0:
            raise EdgeSegError("the GPU is lost; see what nvidia-smi says")
        return super()._infer(frames)


def losing(monkeypatch: pytest.MonkeyPatch, at: int, *precisions: str) -> None:
    """Lose the device of some artefacts at frame `at` of their runner for files."""

    def open_runner(path: Path, runner: str, *, throughput: bool = False) -> Runner:
        lost = throughput and path.name.split(".")[1] in precisions
        return Lost(path, at) if lost else OnnxRuntimeRunner(path)

    monkeypatch.setattr(segbench.contender, "open_runner", open_runner)


WARM_UP, ENGINE, VIDEO, EVALUATION = 3, 3, 12, 128  # frames that the runner for files takes


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
    monkeypatch.setattr(segbench.contender, "engine_rate", lambda *_: 100.0)

    def same(video: Path, folder: Path, runner: Runner) -> RunReport:
        return replace(end_to_end(video, folder, runner), seconds=0.5)

    monkeypatch.setattr(segbench.contender, "end_to_end", same)
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
    monkeypatch.setattr(segbench.contender, "engine_rate", lambda *_: next(rates))
    said = warnings_of(artefacts, street_video)
    assert bool(said) is warned
    assert not warned or said[0].endswith("with more --rounds: small.fp32.onnx (engine 8%)")


def test_end_to_end_rounds_that_lie_far_apart_are_warned_of(
    artefacts: "Artefacts", street_video: Path, calm: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = count(1)

    def uneven(video: Path, folder: Path, runner: Runner) -> RunReport:
        return replace(end_to_end(video, folder, runner), seconds=float(next(seconds)))

    monkeypatch.setattr(segbench.contender, "end_to_end", uneven)
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


def test_artefacts_are_compared_on_the_video_and_strips_are_written(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path, unweighed: None
) -> None:
    folder = tmp_path / "deep" / "strips"
    found = quietly(options_for(artefacts, street_video, rounds=1, quality=folder))
    assert [(each.artefact, each.reference) for each in found.quality] == [
        ("small.int8.onnx", "small.fp32.onnx"),
        ("small.fp16.onnx", "small.fp32.onnx"),
    ]
    assert all(each.frames == 12 for each in found.quality)
    int8, fp16 = found.quality
    assert 0.5 < int8.equal_pixels < fp16.equal_pixels <= 1
    strips = sorted(folder.iterdir())
    assert [path.name for path in strips] == ["small.fp16.onnx.worst.png", "small.int8.onnx.worst.png"]
    for path in strips:
        picture = cv2.imread(str(path))
        assert picture is not None
        assert picture.shape[0] > 100
        assert len(np.unique(picture)) > 50


def test_a_model_of_another_folder_is_no_reference(
    artefacts: "Artefacts", dataset: Dataset, street_video: Path, tmp_path: Path, unweighed: None
) -> None:
    """Two trainings whose files have the same names: each is held against its own float32."""
    paths = [tmp_path / name for name in ("first/small.int8.onnx", "second/small.fp32.onnx", "second/small.int8.onnx")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(artefacts.onnx["int8" if "int8" in path.name else "fp32"].read_bytes())
    found = quietly(options_for(artefacts, street_video, artefacts=tuple(paths), data=dataset.folder, rounds=1))
    changes = [result.accuracy.change for result in found.results if result.accuracy]
    assert changes[:2] == [None, None]
    assert changes[2] is not None


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_the_json_has_every_figure_and_null_for_none(report: BenchReport, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_json(report, path)
    written = json.loads(path.read_text(), parse_constant=refuse)
    assert written["schema"] == 1
    assert written["results"] == json.loads(json.dumps([asdict(result) for result in report.results]))
    assert written["machine"] == asdict(report.machine)
    assert (written["video"], written["dataset"]) == (report.video, report.dataset)
    classes = written["results"][0]["accuracy"]["class_iou"]
    assert len(classes) == 29
    assert None in classes.values()  # a class that no frame has


def test_a_report_is_read_as_it_was_written(report: BenchReport, tmp_path: Path) -> None:
    write_json(report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == report


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "report.json: no such file; need a JSON report of seg-bench"),
        ("no JSON", "report.json: .*; need a JSON report of seg-bench, schema 1"),
        ("{}", "report.json: .*; need a JSON report of seg-bench, schema 1"),
        ('"schema": 2', "report.json: .*schema.*; need a JSON report of seg-bench, schema 1"),
    ],
)
def test_what_is_no_report_is_refused(
    report: BenchReport, tmp_path: Path, refused: Refused, content: str | None, said: str
) -> None:
    path = tmp_path / "report.json"
    if content == '"schema": 2':
        path.write_text(report.to_json().replace('"schema": 1', '"schema": 2'))
    elif content is not None:
        path.write_text(content)
    with refused(said):
        read_report(path)
