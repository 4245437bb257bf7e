"""A benchmark: artefacts side by side, in interleaved rounds, as a table and as JSON."""

import json
import math
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

import segbench.bench
from segbench.bench import BenchReport, bench
from segbench.machine import this_machine
from segbench.options import BenchOptions
from segbench.report import as_table, notes, write_json
from segbench.score import score
from segbench.speed import Rate, end_to_end_rate, engine_rate
from segdata.dataset import Dataset
from segdata.files import sha256_of
from segdata.metrics import Accuracy
from segrun.onnxruntime_runner import OnnxRuntimeRunner
from segrun.runner import Frames, Runner

if TYPE_CHECKING:
    from conftest import Artefacts

Refused = Callable[..., AbstractContextManager[None]]

ORDER = ("int8", "fp32", "fp16")  # neither the alphabet's nor the usual one


def options_for(made: "Artefacts", drive: Path, /, **values: Any) -> BenchOptions:  # noqa: ANN401 - its fields
    paths = tuple(made.onnx[precision] for precision in ORDER)
    few = BenchOptions(paths, video=drive, engine="onnxruntime", frames=3, rounds=2)
    return replace(few, **values)


def quietly(options: BenchOptions) -> BenchReport:
    return bench(options, lambda _: None, lambda _: None)


@pytest.fixture(scope="module")
def report(artefacts: "Artefacts", dataset: Dataset, street_video: Path) -> BenchReport:
    return quietly(options_for(artefacts, street_video, data=dataset.folder))


def printed(report: BenchReport) -> list[str]:
    console = Console(width=160, color_system=None)
    with console.capture() as capture:
        console.print(as_table(report))
    return capture.get().splitlines()


def test_rows_are_in_the_order_of_the_artefacts(report: BenchReport, artefacts: "Artefacts", dataset: Dataset) -> None:
    assert [row.precision for row in report.rows] == list(ORDER)
    for row, precision in zip(report.rows, ORDER, strict=True):
        path = artefacts.onnx[precision]
        assert row.artefact == path.name
        assert row.sha256 == sha256_of(path)
        assert (row.runner, row.device, row.class_count) == ("ONNX Runtime", "CPU", 29)
        assert len(row.engine.rounds) == len(row.end_to_end.rounds) == 2
        assert min(row.engine.rounds + row.end_to_end.rounds) > 0
        with OnnxRuntimeRunner(path) as runner:
            assert row.accuracy == score(runner, dataset, lambda: None)


def test_a_report_says_what_it_was_measured_on(report: BenchReport) -> None:
    assert report.video == "street.mp4, 160x96"
    assert report.dataset == "128 evaluation frames of prepared"
    assert report.machine == this_machine()
    assert report.machine.cores >= 1
    assert {"edgeseg", "openvino", "av", "numpy"} <= set(report.machine.libraries)


def test_artefacts_take_turns_within_each_round(
    artefacts: "Artefacts", street_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, str, int]] = []

    def engine(runner: Runner, frames: Frames) -> float:
        calls.append(("engine", runner.precision, len(frames)))
        return engine_rate(runner, frames)

    def end_to_end(video: Path, folder: Path, runner: Runner) -> float:
        assert video == street_video
        calls.append(("end to end", runner.precision, 0))
        return end_to_end_rate(video, folder, runner)

    monkeypatch.setattr(segbench.bench, "engine_rate", engine)
    monkeypatch.setattr(segbench.bench, "end_to_end_rate", end_to_end)
    quietly(options_for(artefacts, street_video))
    one_round = [("engine", precision, 3) for precision in ORDER] + [("end to end", name, 0) for name in ORDER]
    assert calls == 2 * one_round


def test_progress_counts_every_step(artefacts: "Artefacts", dataset: Dataset, street_video: Path) -> None:
    totals: list[int] = []
    steps: list[str] = []
    one = options_for(artefacts, street_video, artefacts=(artefacts.onnx["fp32"],), data=dataset.folder)
    bench(one, totals.append, steps.append)
    assert totals == [len(steps)] == [2 + 2 + 128]
    assert steps.count("engine") == steps.count("end to end") == 2


def test_without_a_dataset_there_is_no_accuracy(artefacts: "Artefacts", street_video: Path) -> None:
    without = quietly(options_for(artefacts, street_video, rounds=1, artefacts=(artefacts.onnx["fp32"],)))
    assert without.dataset is None
    assert [row.accuracy for row in without.rows] == [None]
    (line,) = [line for line in printed(without) if "fp32" in line]
    assert cells(line)[-3:] == ["-", "-", "-"]
    assert "Accuracy: not measured; give --data DATASET" in notes(without)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"frames": 0}, "got 0 frames and 2 rounds, need 1 or more of each"),
        ({"rounds": 0}, "got 3 frames and 0 rounds, need 1 or more of each"),
        ({"video": Path("missing.mp4")}, "missing.mp4: no such file; need a video"),
        ({"data": Path("missing")}, "missing: no dataset"),
        ({"artefacts": (Path("missing.onnx"),)}, "missing.onnx: no such file; need an artefact"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    artefacts: "Artefacts", street_video: Path, refused: Refused, values: dict[str, object], said: str
) -> None:
    with refused(said):
        quietly(options_for(artefacts, street_video, **values))


def test_a_video_without_a_frame_is_refused(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path, refused: Refused
) -> None:
    content = bytearray(street_video.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[start:end] = b"\xff" * (end - start)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    with refused("broken.mp4: no frame could be decoded"):
        quietly(options_for(artefacts, broken))


def with_figures(report: BenchReport) -> BenchReport:
    """Return `report` with figures that are easily recognised; the last row lacks one."""
    figures = [Accuracy(0.2345, 0.3456, 0.7891), Accuracy(0.2, 0.3, 0.7), Accuracy(0.25, math.nan, 0.75)]
    rows = [
        replace(row, engine=Rate((90.0, 100.0, 110.0)), end_to_end=Rate((40.0, 50.0, 60.0)), accuracy=accuracy)
        for row, accuracy in zip(report.rows, figures, strict=True)
    ]
    return replace(report, rows=rows, machine=replace(report.machine, processor="Test Processor", cores=3))


def test_the_table_has_a_row_a_precision_and_names_the_machine(report: BenchReport) -> None:
    lines = printed(with_figures(report))
    assert "Test Processor, 3 cores, no GPU used" in lines[0]
    table = [cells(line) for line in lines]
    assert ["precision", "runs in", "engine FPS", "end-to-end FPS", "mIoU 19", "mIoU 29", "accuracy"] in table
    assert [row for row in table if row[0] in ORDER] == [
        ["int8", "int8/f32", "100.0 +-10%", "50.0 +-20%", "34.56", "23.45", "78.91"],
        ["fp32", "f32", "100.0 +-10%", "50.0 +-20%", "30.00", "20.00", "70.00"],
        ["fp16", "f32", "100.0 +-10%", "50.0 +-20%", "-", "25.00", "75.00"],
    ]


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_the_notes_name_files_video_dataset_and_rounds(report: BenchReport) -> None:
    text = notes(with_figures(report))
    for row in report.rows:
        assert f"{row.precision}: {row.artefact} on ONNX Runtime, sha256 {row.sha256[:12]}" in text
    assert "Speed: street.mp4, 160x96; median of 3 interleaved rounds, +- half of their spread." in text
    assert "Accuracy, in percent: 128 evaluation frames of prepared" in text


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_the_json_has_every_figure_and_null_for_none(report: BenchReport, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    shown = with_figures(report)
    write_json(shown, path)
    written = json.loads(path.read_text(), parse_constant=refuse)
    assert written["rows"][2]["accuracy"] == {"miou": 0.25, "miou_official": None, "pixel_accuracy": 0.75}
    assert written["rows"][0]["engine"]["rounds"] == [90.0, 100.0, 110.0]
    assert written["rows"][0] == json.loads(json.dumps(asdict(shown.rows[0])))
    assert written["machine"] == asdict(shown.machine)
    assert (written["video"], written["dataset"]) == (shown.video, shown.dataset)
