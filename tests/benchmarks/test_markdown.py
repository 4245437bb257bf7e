"""The report as Markdown, and its table in a README."""

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from helpers.sample_reports import CLASSES, made_report, made_result
from segbench.report.markdown import escaped, to_markdown, write_markdown
from segbench.report.readme_table import update_readme
from segbench.results import AccuracyResult, QualityResult
from segdata.command_line.fixable import missing_dependency

Refused = Callable[..., AbstractContextManager[None]]

README = "# edgeseg\n\nBefore.\n\n<!-- seg-bench -->\nold\n<!-- /seg-bench -->\n\nAfter.\n"


def tables_of(text: str) -> list[list[str]]:
    """Each table of a Markdown text, as its lines."""
    blocks = (block.splitlines() for block in text.split("\n\n"))
    return [lines for lines in blocks if lines[0].startswith("| ")]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_every_table_lines_up_and_has_its_cells() -> None:
    wide = made_result(artefact="網路|a`b.onnx")
    tables = tables_of(to_markdown(made_report(results=(*made_report().results, wide))))
    assert len(tables) == 7
    for lines in tables:
        assert len({cell_len(line) for line in lines}) == 1
        assert len({len(cells(line)) for line in lines}) == 1
        assert re.fullmatch(r"(\| -+:? )+\|", lines[1])


def test_known_figures_stand_in_known_cells() -> None:
    found = [cells(line) for table in tables_of(to_markdown(made_report())) for line in table]
    assert ["unet-256.int8.onnx", "41.76", "30.76", "82.76", "-0.24", "-0.29 to -0.20"] in found
    assert ["unet-256.int8.onnx", "4.10", "5.23", "2.80", "9.40"] in found
    assert ["processor temperature", "not told"] in found
    assert ["openvino", "2026.1.0"] in found
    (caravan,) = [row for row in found if row[0] == "caravan"]
    assert caravan == ["caravan"] + ["-"] * 9
    assert {row[0] for row in found} >= set(CLASSES)


def test_the_hash_of_each_artefact_stands_in_full() -> None:
    text = to_markdown(made_report())
    for result in made_report().results:
        assert f"| {result.sha256} |" in text


def test_what_was_not_measured_is_a_dash() -> None:
    bare = made_result(memory_mb=None, energy=None, accuracy=AccuracyResult(None, None, None, {"road": None}, None))
    text = to_markdown(made_report(results=(bare, made_result(precision="int8"))))
    assert ["unet-256.fp32.onnx", "-", "-", "-", "reference", "-"] in [
        cells(line) for t in tables_of(text) for line in t
    ]
    assert not re.search(r"\b(nan|None|inf)\b", text)
    without = to_markdown(made_report(results=(replace(bare, accuracy=None),), dataset=None))
    assert "IoU by class" not in without
    assert "Accuracy: not measured" in without


def test_the_target_is_asked_for_unless_it_was_measured() -> None:
    asked = "GTX 1660 Ti: run `seg-bench contribute` on one"
    assert asked in to_markdown(made_report())
    measured = made_result(device="NVIDIA GeForce GTX 1660 Ti", runner="TensorRT")
    assert asked not in to_markdown(made_report(results=(measured,)))


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a|b", r"a\|b"),
        ("<script>", r"\<script\>"),
        ("[a](b)", r"\[a\](b)"),
        ("*a* `b` &amp; #1", r"\*a\* \`b\` \&amp; \#1"),
        ("unet_256.int8", "unet_256.int8"),
        ("__init__", r"\_\_init\_\_"),
        ("two\nlines", "two lines"),
        ("back\\slash", r"back\\slash"),
    ],
)
def test_no_text_is_markup(text: str, safe: str) -> None:
    assert escaped(text) == safe
    assert safe in to_markdown(made_report(results=(made_result(artefact=text),)))


def test_agreement_on_the_video_is_a_table_if_it_was_measured() -> None:
    quality = QualityResult("a.int8.onnx", "a.fp32.onnx", 90, 0.9876, {"road": None}, 0.0123, None, 0.5, ())
    text = to_markdown(made_report(quality=(quality,)))
    assert ["a.int8.onnx", "a.fp32.onnx", "90", "98.76", "1.23", "-"] in [
        cells(line) for table in tables_of(text) for line in table
    ]
    assert "Agreement: how many pixels" in text
    assert "Agreement" not in to_markdown(made_report())


def test_only_the_page_needs_the_report_extra() -> None:
    without = "import sys; sys.modules.update({'jinja2': None, 'matplotlib': None}); import segbench.report."
    modules = "terminal, segbench.report.markdown, segbench.report.readme_table, segbench.report.compare_table"
    subprocess.run([sys.executable, "-c", without + modules], check=True)
    done = subprocess.run([sys.executable, "-c", f"{without}page"], capture_output=True, text=True, check=False)
    assert "import of jinja2 halted" in done.stderr
    error = missing_dependency(ModuleNotFoundError(name="jinja2"))
    assert str(error) == "jinja2 is not installed; run: pip install 'edgeseg[report]'"


def test_it_is_written(tmp_path: Path) -> None:
    write_markdown(made_report(), tmp_path / "report.md")
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == to_markdown(made_report())


def test_the_block_of_a_readme_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(README)
    update_readme(readme, made_report())
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition("<!-- seg-bench -->")
    block, _, after = rest.partition("<!-- /seg-bench -->")
    assert (before, after) == ("# edgeseg\n\nBefore.\n\n", "\n\nAfter.\n")
    (table,) = tables_of(block.lstrip())
    assert cells(table[0]) == [
        "artefact", "precision", "computes in", "engine FPS", "end-to-end FPS", "mIoU 19", "mIoU 29", "pixel accuracy",
    ]  # fmt: skip
    assert cells(table[-1]) == [
        "unet-256.int8.onnx", "int8", "int8/bf16", "222 ±1%", "75.9 ±2%", "41.76", "30.76", "82.76",
    ]  # fmt: skip
    assert "Measured on AMD EPYC 9B45, 2 cores, no GPU used, with edgeseg 0.1.0 on 2026-07-01." in block
    assert "GTX 1660 Ti: run `seg-bench contribute` on one" in block
    update_readme(readme, made_report())
    assert readme.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        "<!-- seg-bench -->\nno end",
        "<!-- /seg-bench -->\n<!-- seg-bench -->",
        README + README,
        "<!-- seg-bench -->\n" + README,
        "<!-- /seg-bench -->" + README,
    ],
)
def test_a_readme_without_a_place_is_refused(tmp_path: Path, refused: Refused, text: str) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with refused("need one line <!-- seg-bench --> and after it one line <!-- /seg-bench -->"):
        update_readme(readme, made_report())
    assert readme.read_text() == text


def test_a_readme_that_cannot_be_read_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused("README.md: cannot be read"):
        update_readme(tmp_path / "README.md", made_report())
