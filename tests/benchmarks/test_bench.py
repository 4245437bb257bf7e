"""A benchmark: artefacts side by side in interleaved rounds, and the rest of the report."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnx
import pytest

import segbench.bench
import segbench.measure.contender
from helpers.bench_runs import ORDER, options_for, quietly
from helpers.images import read_image
from helpers.progress import Told
from segbench.bench import bench
from segbench.measure.accuracy import accuracy_of, change_of, image_matrices
from segbench.measure.machine import this_machine
from segbench.measure.speed import end_to_end, engine_rate, latencies
from segbench.options import BenchOptions
from segbench.results import BenchReport
from segdata.command_line.progress import SILENT
from segdata.dataset.dataset import Dataset
from segdata.files import sha256_of
from segdata.labels import CITYSCAPES_8
from segdata.spec import ModelSpec
from segexport.graph.confidence import with_confidence
from segexport.graph.onnx_file import write_onnx
from segexport.graph.to_onnx import to_onnx
from segrun.pipeline.account import RunReport
from segrun.runners.base import Frames, Runner
from segrun.runners.onnxruntime import OnnxRuntimeRunner
from segtrain.network.checkpoint import build_network

if TYPE_CHECKING:
    from conftest import Artefacts


Refused = Callable[..., AbstractContextManager[None]]


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
            matrices[precision] = image_matrices(runner, dataset)
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


def test_a_frame_of_each_artefact_is_compared_with_float32(report: BenchReport) -> None:
    views = {view.artefact: view for view in report.frames}
    assert list(views) == [result.artefact for result in report.results]
    reference, int8 = views["small.fp32.onnx"], views["small.int8.onnx"]
    assert (reference.reference, reference.differences, reference.equal_pixels) == (None, None, None)
    assert (int8.reference, int8.seconds) == ("small.fp32.onnx", reference.seconds)
    assert int8.equal_pixels is not None
    assert int8.differences is not None
    overlay, differences = (cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1) for jpeg in (int8.overlay, int8.differences))
    assert overlay is not None
    assert differences is not None
    assert overlay.shape == differences.shape == (288, 480, 3)
    orange = (differences[..., 2].astype(int) - differences[..., 0] > 100).mean()
    assert orange == pytest.approx(1 - int8.equal_pixels, abs=0.02)
    assert 0 < orange < 1


def test_a_report_ends_in_a_verdict(report: BenchReport) -> None:
    assert report.verdict.recommended in {result.artefact for result in report.results}
    text = " ".join(report.verdict.sentences)
    assert all(result.artefact in text for result in report.results)


def test_the_fastest_within_the_drop_that_is_allowed_is_recommended(
    artefacts: "Artefacts", dataset: Dataset, street_video: Path, unweighed: None
) -> None:
    """The options of the benchmark reach the verdict."""
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

    monkeypatch.setattr(segbench.measure.contender, "engine_rate", watched_engine)
    monkeypatch.setattr(segbench.measure.contender, "latencies", watched_latencies)
    monkeypatch.setattr(segbench.measure.contender, "end_to_end", watched_run)
    monkeypatch.setattr(segbench.measure.contender, "peak_memory_mb", watched_memory)
    quietly(options_for(artefacts, street_video))
    alone = [(what, precision, 3) for precision in ORDER for what in ("engine", "one by one")]
    one_round = [*alone, *(("end to end", precision, 0) for precision in ORDER)]
    assert calls == [("memory", precision, 0) for precision in ORDER] + 2 * one_round


def test_progress_counts_every_step(
    artefacts: "Artefacts", dataset: Dataset, street_video: Path, tmp_path: Path, unweighed: None
) -> None:
    told = Told()
    two = (artefacts.onnx["fp32"], artefacts.onnx["int8"])
    options = options_for(artefacts, street_video, data=dataset.folder, quality=tmp_path)
    bench(options, two, told)
    steps = told.notes
    assert told.totals == [len(steps)] == [2 * (1 + 2 + 2 + 128 + 1 + 1)]
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
        ({"data": Path("missing")}, "missing: no such folder, need a dataset"),
        ({"artefacts": (Path("missing.onnx"),)}, "missing.onnx: no such file; need one that edgeseg wrote"),
        ({"artefacts": (Path(__file__),)}, "got a .py, need .onnx or .engine from seg-export"),
        ({"quality": Path(__file__)}, "got --quality .*test_bench.py, a file; need a folder"),
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
    """Artefacts that do not match the others or the dataset: other classes, another size, batches of four."""
    folder = tmp_path_factory.mktemp("odd")
    small: dict[str, int | str] = {"width": 16, "depth": 3}
    eight = ModelSpec(64, 64, CITYSCAPES_8.name, CITYSCAPES_8.names, CITYSCAPES_8.colours, "unet", small)
    models = {
        "eight": to_onnx(build_network(eight).eval(), eight, "fp32"),
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
        picture = read_image(path)
        assert picture.shape[0] > 100
        assert len(np.unique(picture)) > 50


def test_a_model_of_another_folder_is_no_reference(
    artefacts: "Artefacts", dataset: Dataset, street_video: Path, tmp_path: Path, unweighed: None
) -> None:
    """Two trainings whose files have the same names: each is compared with its own float32."""
    paths = [tmp_path / name for name in ("first/small.int8.onnx", "second/small.fp32.onnx", "second/small.int8.onnx")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(artefacts.onnx["int8" if "int8" in path.name else "fp32"].read_bytes())
    found = quietly(options_for(artefacts, street_video, artefacts=tuple(paths), data=dataset.folder, rounds=1))
    changes = [result.accuracy.change for result in found.results if result.accuracy]
    assert changes[:2] == [None, None]
    assert changes[2] is not None


def test_an_artefact_with_a_confidence_has_its_calibration_in_the_report(
    artefacts: "Artefacts", dataset: Dataset, street_video: Path, tmp_path: Path, unweighed: None
) -> None:
    sure = write_onnx(tmp_path / "sure.fp32.onnx", with_confidence(onnx.load(artefacts.onnx["fp32"]))).path
    options = BenchOptions(data=dataset.folder, video=street_video, frames=1, rounds=1)
    with_it, without = bench(options, [sure, artefacts.onnx["int8"]], SILENT).results
    assert with_it.accuracy is not None
    assert without.accuracy is not None
    assert without.accuracy.sureness is None
    found = with_it.accuracy.sureness
    assert found is not None
    assert 0 < found.ece < 0.5
    assert with_it.accuracy.pixel_accuracy is not None
    assert found.coverage[-1] == 1
    assert found.risk[-1] == pytest.approx(1 - with_it.accuracy.pixel_accuracy)
