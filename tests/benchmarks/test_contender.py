"""Measuring one artefact: which runner is timed and how, and how rounds become figures."""

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

import segbench.measure.contender
from segbench.measure.contender import Contender
from segbench.measure.energy import Counter, EnergyMeter
from segbench.results import ArtefactResult, Energy
from segdata.errors import EdgeSegError
from segdata.spec import SPEC_KEY, WEIGHTS_KEY, Precision
from segexport.graph.to_onnx import to_onnx
from segrun.pipeline.account import RunReport
from segrun.pipeline.stage_clock import Span
from segrun.runners.base import Frames, Inferred, Runner
from segrun.runners.onnxruntime import OnnxRuntimeRunner

if TYPE_CHECKING:
    from conftest import Artefacts

Refused = Callable[..., AbstractContextManager[None]]


class Watched(OnnxRuntimeRunner):
    """A real runner that records in `log` each frame it ran, and when it is closed."""

    def __init__(self, path: Path, log: list[str], role: str) -> None:
        super().__init__(path)
        self.log, self.role = log, role

    def _infer(self, frames: Frames) -> Inferred:
        self.log.append(self.role)
        return super()._infer(frames)

    def _free(self) -> None:
        self.log.append(f"{self.role} closed")
        super()._free()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the two runners of a contender do, in order."""
    log: list[str] = []

    def open_watched(path: Path, engine: str, *, throughput: bool = False) -> Runner:
        return Watched(path, log, "files" if throughput else "live")

    monkeypatch.setattr(segbench.measure.contender, "open_runner", open_watched)
    monkeypatch.setattr(segbench.measure.contender, "peak_memory_mb", lambda path, engine: 123.0)
    monkeypatch.setattr(segbench.measure.contender, "processor_meter", lambda: None)
    return log


def measured(
    path: Path, video: Path, folder: Path, rounds: int = 2, clock: Callable[[], float] = time.perf_counter
) -> ArtefactResult:
    with Contender(path, "onnxruntime", clock=clock) as contender:
        contender.prepare(video, 4)
        contender.weigh()
        for _ in range(rounds):
            contender.run_engine()
            contender.run_video(video, folder)
        return contender.result(None)


def test_files_and_live_sources_have_a_runner_each(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path, log: list[str]
) -> None:
    with Contender(artefacts.onnx["fp32"], "onnxruntime") as contender:
        contender.prepare(street_video, 4)
        assert log == ["files"] * 4 + ["live"] * 4  # warm, both
        log.clear()
        contender.run_engine()
        assert log == ["files"] * 4 + ["live"] * 4  # the rate of one, the latencies of the other
        log.clear()
        contender.run_video(street_video, tmp_path)
        assert log == ["files"] * 12
        log.clear()
    assert sorted(log) == ["files closed", "live closed"]


def test_warm_up_is_in_no_figure(artefacts: "Artefacts", street_video: Path, tmp_path: Path, log: list[str]) -> None:
    """A clock that counts frames: had warm-up been timed, four frames would not be four ticks."""
    result = measured(
        artefacts.onnx["fp32"], street_video, tmp_path, clock=lambda: sum(entry in ("files", "live") for entry in log)
    )
    assert result.engine.rounds == (1.0, 1.0)
    assert result.latency.milliseconds == (1000.0,) * 8
    assert result.memory_mb == 123.0


def test_a_result_is_what_all_rounds_came_to(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # (seconds, stage seconds) of each round, 12 frames: the medians are not those of one round.
    planted = [(0.24, (0.012, 0.12)), (0.12, (0.024, 0.06)), (0.48, (0.036, 0.24))]

    def reports() -> Iterable[RunReport]:
        for seconds, (decode, network) in planted:
            stages = {"decode": decode, "network": network}
            spans = (Span("decode", 1.0, 1.0 + decode),)
            yield RunReport((), (), 12, 12, 0, 0, False, seconds, (seconds, seconds / 2), stages, spans)

    coming = iter(reports())
    monkeypatch.setattr(segbench.measure.contender, "end_to_end", lambda *_: next(coming))
    result = measured(artefacts.onnx["fp32"], street_video, tmp_path, rounds=3)
    assert result.end_to_end.rounds == (50.0, 100.0, 25.0)
    assert result.end_to_end_latency.milliseconds == (240.0, 120.0, 120.0, 60.0, 480.0, 240.0)
    assert result.stage_milliseconds == {"decode": pytest.approx(2.0), "network": pytest.approx(10.0)}
    assert [span.stage for span in result.timeline] == ["decode"]
    assert result.timeline[0].stop == pytest.approx(36.0)  # of the last round


def test_energy_is_the_networks_with_frames_in_flight(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that uses 7 joules for each frame of the file runner, 1000 for anything else."""

    def joules() -> float:
        return 7.0 * log.count("files") + 1000.0 * log.count("live")

    monkeypatch.setattr(segbench.measure.contender, "processor_meter", lambda: EnergyMeter("RAPL", [Counter(joules)]))
    assert measured(artefacts.onnx["fp32"], street_video, tmp_path).energy == Energy(7.0, "RAPL")


def test_a_machine_that_does_not_count_energy_has_none(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path, log: list[str]
) -> None:
    result = measured(artefacts.onnx["fp32"], street_video, tmp_path)
    assert (result.energy, result.gpu_memory_mb) == (None, None)


def test_an_artefact_that_takes_several_frames_is_refused_and_closed(
    artefacts: "Artefacts", tmp_path: Path, log: list[str], refused: Refused
) -> None:
    path = tmp_path / "four.onnx"
    onnx.save(to_onnx(artefacts.network, artefacts.spec, "fp32", batch=4), path)
    with refused(r"four\.onnx takes 4 frames at once, need 1; export it with --batch 1"):
        Contender(path, "onnxruntime")
    assert log == ["files closed"]


def test_what_was_opened_is_closed_if_the_rest_cannot_be(
    artefacts: "Artefacts", log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_once(path: Path, engine: str, *, throughput: bool = False) -> Runner:
        if not throughput:
            raise EdgeSegError("out of memory")
        return Watched(path, log, "files")

    monkeypatch.setattr(segbench.measure.contender, "open_runner", open_once)
    with pytest.raises(EdgeSegError, match="out of memory"):
        Contender(artefacts.onnx["fp32"], "onnxruntime")
    assert log == ["files closed"]


@pytest.mark.parametrize(
    ("names", "same"),
    [
        (("a/unet.fp32.onnx", "a/unet.int8.onnx"), True),
        (("a/unet.fp32.engine", "a/unet.fp16.engine"), True),
        (("a/unet-64.fp32.onnx", "a/unet-128.int8.onnx"), False),
        (("a/unet.fp32.onnx", "b/unet.int8.onnx"), False),  # two trainings
        (("a/first.onnx", "a/second.onnx"), False),
    ],
)
def test_old_artefacts_of_one_model_are_known_by_folder_and_name(
    artefacts: "Artefacts", tmp_path: Path, log: list[str], names: tuple[str, str], same: bool
) -> None:
    models = []
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(artefacts.onnx["fp32"].read_bytes())
        with Contender(path, "onnxruntime") as contender:
            models.append(contender.model)
    assert (models[0] == models[1]) is same


@pytest.mark.parametrize(("weights", "same"), [(("a", "a"), True), (("a", "b"), False), (("a", ""), False)])
def test_artefacts_of_one_model_have_the_same_weights_whatever_they_are_called(
    artefacts: "Artefacts", tmp_path: Path, weights: tuple[str, str], same: bool
) -> None:
    models = []
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    for precision, of in zip(precisions, weights, strict=True):
        model = onnx.load(artefacts.onnx[precision])
        if of:
            model.metadata_props.add(key=WEIGHTS_KEY, value=of)
        path = tmp_path / f"unet.{precision}.onnx"
        onnx.save(model, path)
        with Contender(path, "onnxruntime") as contender:
            models.append(contender.model)
    assert (models[0] == models[1]) is same


def test_an_old_artefact_of_another_training_is_no_reference(artefacts: "Artefacts", tmp_path: Path) -> None:
    """Same name and folder, but different weights: an INT8 file once seemed to gain 1.77 points over such a file."""
    models = []
    trained: dict[Precision, float] = {"fp32": 0.3, "int8": 0.4}
    for precision, miou in trained.items():
        model = onnx.load(artefacts.onnx[precision])
        for entry in model.metadata_props:
            if entry.key == SPEC_KEY:
                entry.value = replace(artefacts.spec, metrics={"miou": miou}).to_json()
        onnx.save(model, tmp_path / f"unet.{precision}.onnx")
        with Contender(tmp_path / f"unet.{precision}.onnx", "onnxruntime") as contender:
            models.append(contender.model)
    assert models[0] != models[1]


class OnCard(Runner):
    """An engine, as far as a contender sees one; opening it takes 350 MB of the card."""

    name, precision, computes, device, batch = "TensorRT", "fp16", "fp16", "Test Card", 1
    calibration_frames = frozenset[str]()

    def __init__(self, artefacts: "Artefacts", card: "Card") -> None:
        self.spec, self.card = artefacts.spec, card
        card.used += 350_000_000

    def _free(self) -> None: ...

    def _infer(self, frames: Frames) -> Inferred:
        self.card.millijoules += 500
        return Inferred(np.zeros(frames.shape[:3], dtype=np.uint8))


class Card:
    """The part of pynvml that a contender uses."""

    NVMLError = RuntimeError

    def __init__(self) -> None:
        self.used, self.millijoules = 1_000_000_000, 0

    def __getattr__(self, query: str) -> object:
        def answer(*arguments: object) -> object:
            if query == "nvmlDeviceGetMemoryInfo":
                return self
            if query == "nvmlDeviceGetTotalEnergyConsumption":
                return self.millijoules
            if query == "nvmlDeviceGetHandleByIndex":
                return "handle"
            raise RuntimeError("Not Supported")

        return answer


def test_an_engine_takes_memory_and_energy_of_the_card(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = Card()
    opened: list[OnCard] = []

    def open_engine(path: Path, engine: str, *, throughput: bool = False) -> Runner:
        opened.append(OnCard(artefacts, card))
        return opened[-1]

    monkeypatch.setattr(segbench.measure.contender, "open_runner", open_engine)
    path = tmp_path / "unet.fp16.engine"
    path.write_bytes(b"an engine")
    with Contender(path, "auto", card) as contender:
        contender.prepare(street_video, 4)
        contender.run_engine()
        contender.run_video(street_video, tmp_path)
        result = contender.result(None)
    assert len(opened) == 1  # one runner does for both: its memory is taken once
    assert result.gpu_memory_mb == 350.0
    assert result.energy == Energy(0.5, "NVML")
