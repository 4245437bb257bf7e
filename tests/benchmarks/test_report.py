"""The report in a terminal, and as JSON."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from helpers.sample_reports import made_report, made_result
from segbench.figures import number, rate, signed
from segbench.report.terminal import print_report, write_json
from segbench.results import AccuracyResult, BenchReport, Card, Energy, Latency, Rate, Verdict, read_report
from segdata.text import printable

KNOWN = made_result(
    engine=Rate((90.0, 100.0, 110.0)),
    latency=Latency((1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0)),
    end_to_end=Rate((40.0, 50.0, 60.0)),
    end_to_end_latency=Latency((20.0,)),
    memory_mb=312.4,
    energy=Energy(0.0123, "RAPL"),
)
MISSING = made_result(
    "unet-256", "int8", memory_mb=None, energy=None, accuracy=AccuracyResult(None, None, float("nan"), {}, None)
)


def printed(report: BenchReport, width: int = 80) -> list[str]:
    console = Console(width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        print_report(report, console)
    return capture.get().splitlines()


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def rows_of(lines: list[str], artefact: str) -> list[list[str]]:
    return [cells(line)[1:] for line in lines if line.startswith(f"{artefact} ")]


def test_known_figures_stand_in_known_cells() -> None:
    report = made_report(results=(KNOWN, made_result(precision="int8")))
    runs, speed, accuracy = rows_of(printed(report), "unet-256.fp32.onnx")
    assert runs == ["fp32", "OpenVINO", "bf16", "312", "12.3"]
    assert speed == ["100 ±10%", "6.00", "10.0", "10.9", "50.0 ±20%", "20.0"]
    assert accuracy == ["42.00", "31.00", "83.00", "reference", "-"]
    assert rows_of(printed(report), "unet-256.int8.onnx")[2] == ["41.76", "30.76", "82.76", "-0.24", "-0.29 to -0.20"]


def test_what_was_not_measured_is_a_dash_and_never_nan() -> None:
    lines = printed(made_report(results=(KNOWN, MISSING)))
    runs, _, accuracy = rows_of(lines, "unet-256.int8.onnx")
    assert runs[-2:] == ["-", "-"]
    assert accuracy == ["-", "-", "-"]
    assert not re.search(r"\b(nan|None|inf)\b", "\n".join(lines))


def test_a_column_without_any_figure_and_a_table_without_a_dataset_are_left_out() -> None:
    bare = replace(KNOWN, energy=None, accuracy=None)
    text = "\n".join(printed(made_report(results=(bare,), dataset=None)))
    assert "mJ" not in text
    assert "mIoU" not in text
    assert "Accuracy: not measured; give --data DATASET" in text
    assert "mJ" in "\n".join(printed(made_report(results=(KNOWN,))))


def test_it_lines_up_in_80_columns() -> None:
    lines = printed(made_report())
    assert max(map(cell_len, lines)) <= 80
    rules = [index for index, line in enumerate(lines) if line.startswith("───")]
    assert len(rules) == 3
    for rule in rules:
        rows = lines[rule + 1 : rule + 10]
        assert {len(line.rstrip()) for line in rows} == {len(lines[rule])}  # the last column is aligned to the right
        assert all(line.startswith("unet-") for line in rows)


def test_a_wide_terminal_has_one_table() -> None:
    lines = printed(made_report(), 200)
    assert sum(line.startswith("───") for line in lines) == 1
    (row,) = rows_of(lines, "unet-256.int8.onnx")
    assert len(row) == 16
    assert (row[0], row[-1]) == ("int8", "-0.29 to -0.20")


def test_a_long_name_is_broken_and_no_figure_is() -> None:
    long = replace(KNOWN, artefact="a-very-long-name-" * 5 + ".onnx")
    lines = printed(made_report(results=(long,)))
    assert max(map(cell_len, lines)) <= 80
    row = lines[next(index for index, line in enumerate(lines) if line.startswith("───")) + 1 :]
    pieces = [line.split()[0] for line in row[: row.index("")]]
    assert "".join(pieces) == long.artefact
    assert any("50.0 ±20%" in line for line in lines)


def test_a_narrow_terminal_cuts_nothing_off() -> None:
    digits = "".join(" ".join(printed(made_report(results=(KNOWN,)), 60)).split())
    assert "…" not in digits
    for figure in ("10.9", "±20%", "42.00", "312", "±20%"):
        assert figure in digits


def test_machine_warnings_and_verdict_follow() -> None:
    text = " ".join(" ".join(printed(made_report())).split())
    assert text.startswith("AMD EPYC 9B45, 2 cores, no GPU used")
    for said in (
        "Video: a synthetic drive, 960x540, 120 frames.",
        "the median of 5 interleaved rounds",
        "Accuracy: 400 evaluation frames of prepared.",
        "processor clock 2700 MHz; clock governor performance; processor temperature not told; load before 0.42",
        "openvino 2026.1.0",
        "Warnings The processor's clock fell from 2700 to 2400 MHz during the run.",
        "Verdict unet-256.int8.onnx: encoding binds",
    ):
        assert said in text


def test_a_card_says_its_state() -> None:
    card = Card("NVIDIA H200", "570.1", 1980, None, 41, ("the power limit",), 512.3)
    made = made_report()
    report = replace(
        made,
        machine=replace(made.machine, card=card),
        results=(replace(KNOWN, runner="TensorRT", device="NVIDIA H200", gpu_memory_mb=87.6),),
    )
    text = " ".join(" ".join(printed(report)).split())
    assert text.startswith("NVIDIA H200, 2 cores Runtime and resources")
    assert "driver 570.1; card clock 1980 MHz; card memory clock not told; card temperature 41.0 °C" in text
    assert "card slowed by the power limit" in text
    assert "87.6" in text


@pytest.mark.parametrize(
    ("device", "missing"),
    [("AMD EPYC 9B45", True), ("NVIDIA GeForce GTX 1660 Ti", False), ("NVIDIA GeForce GTX 1660", True)],
)
def test_the_target_is_asked_for_unless_it_was_measured(device: str, missing: bool) -> None:
    text = "\n".join(printed(made_report(results=(replace(KNOWN, device=device),))))
    assert ("GTX 1660 Ti: run `seg-bench contribute` on one, and attach the file" in text) is missing


def test_names_are_no_markup_and_no_control_codes() -> None:
    hostile = replace(KNOWN, artefact="[red]a[/]\x1b[31m.onnx", device="[link=x]")
    text = "\n".join(printed(made_report(results=(hostile,), verdict=Verdict(None, ("[bold]b\x1b[2J",)))))
    assert "[red]a[/]?[31m.onnx" in text
    assert "[bold]b?[2J" in text
    assert "[link=x]" in text
    assert "\x1b" not in text


def test_the_json_is_read_back_as_it_was(tmp_path: Path) -> None:
    report, path = made_report(), tmp_path / "made" / "report.json"
    write_json(report, path)
    assert read_report(path) == report
    assert [found.name for found in path.parent.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.5, "1234"),
        (99.96, "100"),
        (12.345, "12.3"),
        (9.996, "10.0"),
        (1.234, "1.23"),
        (0.01234, "0.012"),
        (0.0, "0.000"),
        (float("nan"), "-"),
        (float("inf"), "-"),
        (None, "-"),
    ],
)
def test_a_number_has_three_digits_that_count(value: float | None, text: str) -> None:
    assert number(value) == text


def test_small_things() -> None:
    assert rate(Rate((100.0,))) == "100"
    assert [signed(value) for value in (0.014, -0.004, -0.006, float("nan"))] == ["+0.01", "0.00", "-0.01", "-"]
    assert printable("a\n b\x00\udc80") == "a b??"
