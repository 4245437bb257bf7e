"""The verdict on given figures: the bottleneck, the recommended artefact, and what cannot be compared."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from segbench.estimate import Estimate, estimate
from segbench.judge.recommendation import Demands
from segbench.judge.verdict import verdict
from segbench.results import AccuracyResult, ArtefactResult, Change, Latency, Rate, Verdict
from segdata.devices import GTX_1660_TI, device_named
from segdata.files import sha256_of
from segdata.spec import Precision

if TYPE_CHECKING:
    from conftest import Artefacts

STAGES = {"decode": 1.0, "shrink": 0.5, "network": 4.0, "draw": 1.0, "write": 1.5}
PRECISIONS: dict[str, Precision] = {"fp32": "fp32", "fp16": "fp16", "int8": "int8"}
CARD = "NVIDIA GeForce GTX 1660 Ti"


def result(name: str = "fp32.onnx", fps: float = 100.0, **entries: Any) -> ArtefactResult:  # noqa: ANN401 - its fields
    sound = ArtefactResult(
        artefact=name,
        sha256="0" * 64,
        precision=PRECISIONS[name.partition(".")[0]],
        height=64,
        width=64,
        class_count=29,
        runner="OpenVINO",
        device="Intel Xeon",
        computes="f32",
        engine=Rate((200.0,)),
        latency=Latency((5.0,)),
        end_to_end=Rate((0.99 * fps, fps, 1.01 * fps)),
        end_to_end_latency=Latency((12.0,)),
        stage_milliseconds=STAGES,
        timeline=(),
        memory_mb=None,
        gpu_memory_mb=None,
        energy=None,
        accuracy=None,
    )
    return replace(sound, **entries)


def accuracy(miou: float, drop: float | None = None, low: float | None = None, official: bool = True) -> AccuracyResult:
    """mIoU in points; `drop` in points against fp32.onnx, None for the reference; `low` of its interval."""
    change = None
    if drop is not None:
        change = Change("fp32.onnx", 19, -drop, -drop - 0.1 if low is None else low, -drop + 0.1)
    return (
        AccuracyResult(0.01, miou / 100, 0.9, {}, change)
        if official
        else AccuracyResult(miou / 100, None, 0.9, {}, change)
    )


def judged(
    *results: ArtefactResult,
    max_drop: float | None = None,
    target_fps: float | None = None,
    min_miou: float | None = None,
    cores: int = 8,
    estimates: tuple[Estimate, ...] = (),
) -> Verdict:
    return verdict(results, Demands(max_drop, target_fps, min_miou), cores, estimates)


def said(found: Verdict) -> str:
    return "\n".join(found.sentences)


@pytest.mark.parametrize("stage", STAGES)
def test_a_planted_slow_stage_is_found(stage: str) -> None:
    slow = result(stage_milliseconds=STAGES | {stage: 9.1}, fps=97.0)
    assert f"fp32.onnx: {stage} binds: 9.1 of 10.3 ms a frame" in said(judged(slow))


def test_stages_that_take_turns_in_one_thread_bind_together() -> None:
    """Neither draw nor write takes longer than the network, but they share a thread, and together they do."""
    stages = STAGES | {"network": 5.0, "draw": 3.0, "write": 4.0}
    assert "write binds: 4.0 of 10.0 ms a frame (7.0 with draw, which takes turns with it)" in said(
        judged(result(stage_milliseconds=stages))
    )


def test_too_few_cores_bind_before_any_stage() -> None:
    busy = {"decode": 6.0, "shrink": 1.0, "network": 8.0, "draw": 2.0, "write": 5.0}
    one = said(judged(result(stage_milliseconds=busy, fps=90.0), cores=2))
    assert "the 2 cores bind: the stages on them work 22.0 ms a frame, and a frame takes 11.1 ms; network" in one
    assert "network binds: 8.0 of" in said(judged(result(stage_milliseconds=busy, fps=90.0), cores=4))


def test_the_network_of_a_gpu_does_not_count_for_the_cores() -> None:
    busy = {"decode": 6.0, "shrink": 1.0, "network": 8.0, "draw": 2.0, "write": 5.0}
    on_gpu = result(stage_milliseconds=busy, runner="TensorRT-RTX", device=CARD)
    assert "network binds" in said(judged(on_gpu, cores=2))
    assert "the 1 cores bind: the stages on them work 14.0 ms" in said(judged(on_gpu, cores=1))


@pytest.fixture
def card_estimate(artefacts: "Artefacts") -> Estimate:
    return estimate(artefacts.onnx["fp32"], GTX_1660_TI)


def test_a_figure_is_held_against_the_roofline_of_the_card_it_was_measured_on(
    card_estimate: Estimate, artefacts: "Artefacts"
) -> None:
    half = card_estimate.frames_a_second / 2
    measured = result(sha256=sha256_of(artefacts.onnx["fp32"]), runner="TensorRT", device=CARD, engine=Rate((half,)))
    found = said(judged(measured, estimates=(card_estimate,)))
    assert f"reaches {half:,.0f} FPS, 50% of the {2 * half:,.0f} that a GTX 1660 Ti could do" in found
    assert "estimate" in found


@pytest.mark.parametrize(
    ("device", "same_bytes"),
    [
        ("Intel Xeon", True),
        ("CPU", True),
        ("NVIDIA GeForce GTX 1660 Ti with Max-Q Design", True),
        ("Tesla T4", True),
        (CARD, False),
    ],
)
def test_no_roofline_stands_beside_another_device_or_another_artefact(
    card_estimate: Estimate, artefacts: "Artefacts", device: str, same_bytes: bool
) -> None:
    sha256 = sha256_of(artefacts.onnx["fp32" if same_bytes else "fp16"])
    found = judged(result(sha256=sha256, device=device), estimates=(card_estimate,))
    assert "roofline" not in said(found)


def test_a_laptop_named_as_such_is_held_against_its_own_roofline(artefacts: "Artefacts") -> None:
    """Its driver reports the desktop card's name."""
    path: Path = artefacts.onnx["fp32"]
    laptop = estimate(path, device_named("gtx-1660-ti-laptop"))
    found = judged(result(sha256=sha256_of(path), runner="TensorRT", device=CARD), estimates=(laptop,))
    assert "GTX 1660 Ti (laptop) could do at most" in said(found)


REFERENCE = result(accuracy=accuracy(60.0))
HALF = result("fp16.onnx", 150.0, accuracy=accuracy(59.9, 0.1))
QUICK = result("int8.onnx", 200.0, accuracy=accuracy(58.8, 1.2))


def test_the_fastest_whose_planted_loss_fits_is_taken() -> None:
    assert judged(REFERENCE, HALF, QUICK).recommended == "int8.onnx"
    assert judged(REFERENCE, HALF, QUICK, max_drop=1.2).recommended == "int8.onnx"
    found = judged(REFERENCE, HALF, QUICK, max_drop=1.0)
    assert found.recommended == "fp16.onnx"
    assert "take fp16.onnx, the fastest of those that meet what was asked: 150.0 FPS" in said(found)
    assert judged(REFERENCE, HALF, QUICK, max_drop=0.05).recommended == "fp32.onnx"


def test_a_drop_counts_by_its_points_but_an_interval_beyond_is_told() -> None:
    unsure = replace(QUICK, accuracy=accuracy(59.6, 0.4, low=-0.8))
    found = judged(REFERENCE, unsure, max_drop=0.5)
    assert found.recommended == "int8.onnx"
    assert "may be more than 0.5 points: its 95 % interval reaches 0.80" in said(found)
    assert "interval" not in said(judged(REFERENCE, unsure, max_drop=0.8))


def test_a_drop_without_its_reference_is_no_proof() -> None:
    lonely = replace(QUICK, accuracy=accuracy(58.8))
    found = judged(lonely, max_drop=5.0)
    assert found.recommended is None
    assert "its drop was not measured" in said(found)


def test_with_a_target_the_most_accurate_that_reaches_it_is_taken() -> None:
    assert judged(REFERENCE, HALF, QUICK, target_fps=90.0).recommended == "fp32.onnx"
    found = judged(REFERENCE, HALF, QUICK, target_fps=120.0)
    assert found.recommended == "fp16.onnx"
    assert "the most accurate of those that reach 120 FPS: 150.0 FPS end to end, mIoU 59.90" in said(found)
    assert judged(REFERENCE, HALF, QUICK, target_fps=200.0).recommended == "int8.onnx"


@pytest.mark.parametrize("official", [True, False])
def test_with_a_least_miou_the_fastest_that_reaches_it_is_taken(official: bool) -> None:
    rows = [
        result("fp32.onnx", 100.0, accuracy=accuracy(60.0, official=official)),
        result("int8.onnx", 200.0, accuracy=accuracy(58.8, 1.2, official=official)),
    ]
    assert judged(*rows, min_miou=58.8).recommended == "int8.onnx"
    assert judged(*rows, min_miou=59.0).recommended == "fp32.onnx"


def test_if_none_meets_what_was_asked_the_nearest_miss_is_named() -> None:
    found = judged(REFERENCE, HALF, QUICK, target_fps=160.0, max_drop=0.5)
    assert found.recommended is None
    assert "none meets what was asked; nearest is fp16.onnx: it reaches 150.0 FPS, not 160" in said(found)
    assert "nearest is fp32.onnx: its mIoU is 60.00, not 70" in said(judged(REFERENCE, HALF, QUICK, min_miou=70.0))
    both = said(judged(QUICK, REFERENCE, min_miou=70.0, target_fps=500.0, max_drop=1.0))
    assert "nearest is fp32.onnx: it reaches 100.0 FPS, not 500, and its mIoU is 60.00, not 70" in both
    assert "more than 0.5" in said(judged(replace(REFERENCE, accuracy=accuracy(60.0, 2.0)), QUICK, max_drop=0.5))


def test_equal_artefacts_are_a_tie() -> None:
    equal = result("fp16.onnx", 100.5, accuracy=accuracy(60.0, 0.0))
    found = judged(REFERENCE, equal)
    assert found.recommended == "fp16.onnx"
    assert "as fast within the spread of the rounds: fp32.onnx" in said(found)
    assert "within the spread" not in said(judged(REFERENCE, HALF))
    slower = result("fp16.onnx", 90.0, accuracy=accuracy(60.0, 0.0))
    assert judged(slower, REFERENCE, target_fps=50.0).recommended == "fp32.onnx"


def test_without_accuracy_the_fastest_is_taken_and_it_is_said() -> None:
    found = judged(result(), result("int8.onnx", 200.0), max_drop=0.5, min_miou=50.0)
    assert found.recommended == "int8.onnx"
    assert "accuracy was not measured" in said(found)
    missed = judged(result(), result("int8.onnx", 200.0), target_fps=300.0)
    assert missed.recommended is None
    assert "nearest is int8.onnx: it reaches 200.0 FPS, not 300" in said(missed)


def test_a_verdict_is_one_for_the_report() -> None:
    """One sentence about the bottleneck of each artefact, then the recommendation."""
    found = judged(REFERENCE, HALF, QUICK)
    assert len([line for line in found.sentences if "bind" in line]) == 3
    assert all("\n" not in line for line in found.sentences)
