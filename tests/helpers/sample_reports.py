"""A report made by hand: three models in three precisions, with plausible figures."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from segbench.results import (
    AccuracyResult,
    ArtefactResult,
    BenchReport,
    Change,
    Energy,
    FrameView,
    Latency,
    Machine,
    Rate,
    StageSpan,
    Verdict,
)
from segdata.labels import CITYSCAPES_29
from segdata.spec import Precision

MACHINE = Machine(
    processor="AMD EPYC 9B45",
    cores=2,
    system="Linux 6.1.0",
    python="3.12.4",
    libraries={"edgeseg": "0.1.0", "openvino": "2026.1.0", "numpy": "2.3.1"},
    clock_mhz=2699.998,
    governor="performance",
    load=0.42,
)
CLASSES = CITYSCAPES_29.names
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
_MODELS = {
    "unet-64": (64, 940.0, 128.0, 0.33),
    "unet-128": (128, 410.0, 104.0, 0.385),
    "unet-256": (256, 152.8, 66.0, 0.42),
}
_FASTER = {"fp32": 1.0, "fp16": 1.003, "int8": 1.44}
_LOST = {"fp32": 0.0, "fp16": 0.00004, "int8": 0.0024}


def made_result(model: str = "unet-256", precision: Precision = "fp32", **figures: Any) -> ArtefactResult:  # noqa: ANN401
    """One artefact's figures; `figures` replaces fields of it."""
    random = np.random.default_rng([PRECISIONS.index(precision), *model.encode()])
    side, engine, end_to_end, miou = _MODELS[model]
    engine *= _FASTER[precision]
    end_to_end *= _FASTER[precision] ** 0.4
    work = {"decode": 4.1, "infer": 1000 / engine * 1.15, "draw": 2.8, "encode": 9.4 if side == 256 else 7.1}
    result = ArtefactResult(
        artefact=f"{model}.{precision}.onnx",
        sha256=random.bytes(32).hex(),
        precision=precision,
        height=side,
        width=side,
        class_count=29,
        runner="OpenVINO",
        device="AMD EPYC 9B45",
        computes="int8/bf16" if precision == "int8" else "bf16",
        engine=_rate(engine, random),
        latency=_latency(1150 / engine, random),
        end_to_end=_rate(end_to_end, random),
        end_to_end_latency=_latency(3600 / end_to_end, random),
        stage_milliseconds=work,
        timeline=tuple(_timeline(work)),
        memory_mb=180 + side * (0.7 if precision == "int8" else 0.9),
        gpu_memory_mb=None,
        energy=Energy(12.0 / engine, "RAPL package-0"),
        accuracy=_accuracy(model, precision, miou - _LOST[precision], random),
    )
    return replace(result, **figures)


def made_report(**fields: Any) -> BenchReport:  # noqa: ANN401 - its fields
    """The whole report; `fields` replaces fields of it."""
    report = BenchReport(
        edgeseg="0.1.0",
        created="2026-07-01T12:34:56Z",
        machine=MACHINE,
        video="a synthetic drive, 960x540, 120 frames",
        dataset="400 evaluation frames of prepared",
        results=tuple(made_result(model, precision) for model in _MODELS for precision in PRECISIONS),
        warnings=("The processor's clock fell from 2700 to 2400 MHz during the run.",),
        verdict=Verdict(
            "unet-256.int8.onnx",
            (
                "unet-256.int8.onnx: encoding binds, 9.4 ms a frame; the network alone could do 3 times as many.",
                "Take unet-256.int8.onnx: no other is as right above 60 frames a second.",
            ),
        ),
    )
    report = replace(report, frames=tuple(map(made_view, report.results)))
    return replace(report, **fields)


def made_view(result: ArtefactResult) -> FrameView:
    """Pictures of an artefact, red ones; all but the float32 artefact's are compared with it."""
    jpeg = cv2.imencode(".jpg", np.full((54, 96, 3), (0, 0, 255), np.uint8))[1].tobytes()
    view = FrameView(result.artefact, 2.0, jpeg)
    if result.precision == "fp32":
        return view
    reference = result.artefact.replace(result.precision, "fp32")
    return replace(view, reference=reference, differences=jpeg, equal_pixels=0.9876)


def _rate(middle: float, random: np.random.Generator) -> Rate:
    return Rate(tuple(float(middle * factor) for factor in random.uniform(0.975, 1.025, 5)))


def _latency(middle: float, random: np.random.Generator) -> Latency:
    times = middle * (1 + random.gamma(1.5, 0.04, 200))
    times[::40] *= 1.5
    return Latency(tuple(float(time) for time in times))


def _timeline(work: dict[str, float]) -> list[StageSpan]:
    """Stages that pass frames on, each working on one at a time."""
    spans = []
    free = dict.fromkeys(work, 0.0)
    for _ in range(45):
        ready = 0.0
        for stage, milliseconds in work.items():
            start = max(ready, free[stage])
            ready = free[stage] = start + milliseconds
            spans.append(StageSpan(stage, start, ready))
    return spans


def _accuracy(model: str, precision: Precision, miou: float, random: np.random.Generator) -> AccuracyResult:
    of_model = np.random.default_rng(list(model.encode()))
    by_class = of_model.beta(1.2, 1.2, len(CLASSES)) + random.normal(0, 0.004, len(CLASSES))
    points = -100 * _LOST[precision]
    change = Change(f"{model}.fp32.onnx", 19, points, points - 0.05, points + 0.04)
    return AccuracyResult(
        miou=miou - 0.11,
        miou_official=miou,
        pixel_accuracy=miou + 0.41,
        class_iou={**dict(zip(CLASSES, np.clip(by_class, 0, 1).tolist(), strict=True)), "caravan": None},
        change=None if precision == "fp32" else change,
    )
