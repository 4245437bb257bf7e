"""Comparing two reports: noise is called noise, real changes are found, and what cannot be compared is listed."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from helpers.sample_reports import MACHINE, made_report, made_result
from segbench.judge.compare import Comparison, compare
from segbench.judge.figure_changes import FigureChange, blocks, judge
from segbench.report.compare_table import comparison_markdown, print_comparison, write_comparison
from segbench.results import AccuracyResult, ArtefactResult, BenchReport, Change, Energy, Latency, Rate

CALM = (98.0, 99.0, 100.0, 101.0, 102.0)
HASH = "ab" * 32


def report_of(*results: ArtefactResult, **fields: Any) -> BenchReport:  # noqa: ANN401 - a report's fields
    return made_report(results=results, **fields)


def with_change(miou: float, low: float, high: float) -> ArtefactResult:
    change = Change("unet-256.fp32.onnx", 19, (low + high) / 2, low, high)
    return made_result(precision="int8", sha256=HASH, accuracy=AccuracyResult(0.3, miou, 0.8, {}, change))


def changes(before: BenchReport, after: BenchReport, index: int = 0) -> dict[str, FigureChange]:
    return {figure.name: figure for figure in compare(before, after).artefacts[index].figures}


def printed(comparison: Comparison) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        print_comparison(comparison, console)
    return capture.get()


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        (CALM, (103.0, 104.0, 105.0, 106.0, 107.0), "better"),
        (CALM, (93.0, 94.0, 95.0, 96.0, 97.0), "worse"),
        (CALM, tuple(reversed(CALM)), "equal"),
        (CALM, (102.0, 104.0, 105.0, 106.0, 107.0), "noise"),  # one round touches the other's
        (CALM, (99.5, 103.0, 104.0, 105.0, 106.0), "noise"),  # the medians differ, the ranges overlap
        ((90.0, 99.7, 99.8, 99.9, 100.0), (100.1, 100.2, 100.3, 100.4, 110.0), "noise"),  # apart, but by less than half
        ((98.0, 100.0, 102.0), (198.0, 200.0, 202.0), "too few rounds"),  # 1 in 10 would part so by chance
        ((98.0, 99.0, 100.0, 102.0), (198.0, 199.0, 200.0, 202.0), "better"),  # 1 in 35
        ((100.0,), (200.0,), "too few rounds"),
    ],
)
def test_a_rate_differs_only_beyond_its_noise(
    before: tuple[float, ...], after: tuple[float, ...], finding: str
) -> None:
    assert judge(before, after, more_is_better=True) == finding
    found = changes(report_of(made_result(engine=Rate(before))), report_of(made_result(engine=Rate(after))))
    assert found["engine FPS"].finding == finding


def test_equal_reports_are_equal() -> None:
    comparison = compare(made_report(), made_report())
    assert comparison.settings == comparison.only_before == comparison.only_after == ()
    assert len(comparison.artefacts) == 9
    for change in comparison.artefacts:
        assert change.same_file
        assert {figure.finding for figure in change.figures} == {"equal"}
        assert {figure.percent for figure in change.figures} == {0.0}
        assert [figure.name for figure in change.figures] == [
            "engine FPS", "end-to-end FPS", "engine p50 ms", "engine p99 ms", "end-to-end p50 ms", "end-to-end p99 ms",
            "memory MB", "mJ/frame", "mIoU 19", "mIoU 29", "pixel accuracy",
        ]  # fmt: skip


def test_latencies_are_judged_by_fifths_of_a_run_and_less_is_better() -> None:
    steady = tuple(10 + 0.1 * (frame % 7) for frame in range(100))
    # One slow spell that lasts a fifth of the run: the p50 of that fifth lies apart, the others do not.
    spell = tuple(time + (5 if 20 <= frame < 40 else 0) for frame, time in enumerate(steady))
    faster = tuple(time - 3 for time in steady)
    assert blocks(Latency(spell), 50) == pytest.approx([10.3, 15.3, 10.3, 10.3, 10.3])
    before = report_of(made_result(latency=Latency(steady)))
    assert changes(before, report_of(made_result(latency=Latency(spell))))["engine p50 ms"].finding == "noise"
    found = changes(before, report_of(made_result(latency=Latency(faster))))
    assert (found["engine p50 ms"].finding, found["engine p99 ms"].finding) == ("better", "better")
    few = report_of(made_result(latency=Latency((5.0,))))
    assert changes(before, few)["engine p50 ms"].finding == "too few rounds"


def test_what_was_measured_once_is_not_judged_and_what_lacks_is_left_out() -> None:
    before = report_of(made_result(memory_mb=400.0, energy=Energy(0.01, "RAPL")))
    found = changes(before, report_of(made_result(memory_mb=300.0, energy=None)))
    assert found["memory MB"].finding == "one figure"
    assert found["memory MB"].percent == pytest.approx(-25)
    assert "mJ/frame" not in found
    assert "GPU MB" not in found


def test_the_same_file_must_be_as_right_as_before_to_the_last_digit() -> None:
    before = report_of(with_change(0.42, -0.3, -0.1))
    after = report_of(with_change(0.42 + 1e-9, -0.3, -0.1))
    assert changes(before, after)["mIoU 19"].finding == "must be equal"
    assert changes(before, after)["mIoU 29"].finding == "equal"
    assert re.search(r"mIoU 19 +42.0 +42.0000001 .*must be equal", printed(compare(before, after)))
    other_library = replace(MACHINE, libraries={**MACHINE.libraries, "openvino": "2026.2.0"})
    excused = report_of(with_change(0.42 + 1e-9, -0.3, -0.1), machine=other_library)
    assert changes(before, excused)["mIoU 19"].finding == "on these images"


@pytest.mark.parametrize(
    ("low", "high", "finding"), [(-0.09, 0.1, "better"), (-0.15, 0.1, "on these images"), (-0.9, -0.5, "worse")]
)
def test_another_file_differs_beyond_these_images_if_the_intervals_do_not_overlap(
    low: float, high: float, finding: str
) -> None:
    reference = made_result()
    before = report_of(reference, with_change(0.42, -0.3, -0.1))
    miou = 0.43 if high > 0 else 0.41
    after = report_of(reference, replace(with_change(miou, low, high), sha256="cd" * 32))
    assert changes(before, after, 1)["mIoU 19"].finding == finding
    other_reference = replace(after, results=(replace(reference, sha256="ef" * 32), after.results[1]))
    assert changes(before, other_reference, 1)["mIoU 19"].finding == "on these images"
    assert "another file" in printed(compare(before, after))


def test_another_machine_is_said_first() -> None:
    other = replace(MACHINE, processor="Intel N100", cores=4, libraries={**MACHINE.libraries, "openvino": "2025.0"})
    after = made_report(machine=other, results=tuple(replace(one, device="CPU") for one in made_report().results))
    settings = compare(made_report(), after).settings
    assert settings[0].startswith(
        "Measured on different machines: AMD EPYC 9B45, 2 cores, no GPU used; then Intel N100, 4 cores, no GPU used."
    )
    assert "libraries.openvino: 2026.1.0; then 2025.0." in settings
    text = printed(compare(made_report(), after))
    assert text.startswith("Measured on different machines")
    assert comparison_markdown(compare(made_report(), after)).splitlines()[2].startswith("- Measured on different")


def test_what_changes_by_the_minute_makes_no_other_machine() -> None:
    later = made_report(machine=replace(MACHINE, clock_mhz=2400.0, temperature=71.0, load=1.2), created="2026-07-02")
    assert compare(made_report(), later).settings == ()


def test_what_another_video_or_dataset_would_mislead_about_is_left_out() -> None:
    after = made_report(video="rain.mp4, 960x540", dataset="400 evaluation frames of other")
    found = changes(made_report(), after)
    assert set(found) == {"engine FPS", "engine p50 ms", "engine p99 ms", "memory MB", "mJ/frame"}
    settings = compare(made_report(), after).settings
    assert settings[0].startswith("Different videos, so end-to-end is not compared")
    assert settings[1].startswith("Different datasets, so accuracy is not compared")


def test_artefacts_are_matched_by_name_precision_and_runner() -> None:
    first, second = made_result(), made_result(precision="int8")
    moved = replace(second, runner="ONNX Runtime")
    comparison = compare(report_of(first, second), report_of(moved, first))
    assert [change.artefact for change in comparison.artefacts] == ["unet-256.fp32.onnx"]
    assert comparison.only_before == ("unet-256.int8.onnx (int8, OpenVINO)",)
    assert comparison.only_after == ("unet-256.int8.onnx (int8, ONNX Runtime)",)
    assert "Only after: unet-256.int8.onnx (int8, ONNX Runtime)." in " ".join(printed(comparison).split())


def test_files_of_one_name_are_matched_in_their_order() -> None:
    slow, fast = made_result(engine=Rate((1.0,))), made_result(engine=Rate((2.0,)))
    comparison = compare(report_of(slow, fast), report_of(slow, fast))
    assert [change.figures[0].after for change in comparison.artefacts] == [1.0, 2.0]


def test_nothing_in_common_is_said() -> None:
    text = printed(compare(report_of(made_result()), report_of(made_result(precision="int8"))))
    assert "No artefact is in both reports" in text


def test_the_table_shows_before_after_change_and_finding(tmp_path: Path) -> None:
    before = report_of(made_result(engine=Rate(CALM), sha256=HASH))
    after = report_of(made_result(engine=Rate((198.0, 199.0, 200.0, 201.0, 202.0)), sha256="cd" * 32))
    comparison = compare(before, after)
    text = printed(comparison)
    assert re.search(r"^engine FPS +100 +200 +\+100\.0 % +better$", text, re.MULTILINE)
    assert re.search(r"^mIoU 19 +42\.00 +42\.00 +0\.00 points +equal$", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 80
    assert "no round of one report lies among those of the other" in " ".join(text.split())
    write_comparison(comparison, tmp_path / "compare.md")
    markdown = (tmp_path / "compare.md").read_text(encoding="utf-8")
    assert re.search(r"^\| engine FPS +\| +100 \| +200 \| +\+100\.0 % \| +better \|$", markdown, re.MULTILINE)


def test_names_are_no_markup() -> None:
    hostile = report_of(replace(made_result(), artefact="[red]<b>|\x1b.onnx"))
    assert "[red]<b>|?.onnx" in printed(compare(hostile, hostile))
    assert r"## \[red\]\<b\>\|?.onnx" in comparison_markdown(compare(hostile, hostile))
