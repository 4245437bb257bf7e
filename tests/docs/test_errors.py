"""The error lines on the pages are raised by the code, with that exit code."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from helpers.docs_pages import DOCS, PACKAGES, ROOT
from segdata import errors


def kinds() -> dict[str, type[errors.EdgeSegError]]:
    """Every class of `segdata.errors`, each of which is an error with an exit code, by its name."""
    found = {}
    for name, kind in vars(errors).items():
        if isinstance(kind, type):
            assert issubclass(kind, errors.EdgeSegError)
            found[name] = kind
    return found


@cache
def error_patterns() -> list[tuple[int, re.Pattern[str]]]:
    """The exit code of each error that the packages raise, and its text, with `.+` for the variable parts."""
    codes = {name: kind.exit_code for name, kind in kinds().items()}
    found = []
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            texts = _constants(file)
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name)
                    and node.func.id in codes
                    and node.args
                ):
                    text = _pattern(node.args[0], texts)
                    if len(text.replace(".+", "").replace("\\", "")) >= 15:  # "{path}: {error}" would match anything
                        found.append((codes[node.func.id], re.compile(text)))
    return found


def _constants(file: Path) -> dict[str, str]:
    """The named texts of a module, which its error lines may contain."""
    return {
        node.targets[0].id: node.value.value
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


def _pattern(node: ast.expr, texts: dict[str, str]) -> str:
    if isinstance(node, ast.Constant):
        return re.escape(str(node.value))
    if isinstance(node, ast.JoinedStr):
        return "".join(_pattern(value, texts) for value in node.values)
    if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name) and node.value.id in texts:
        return re.escape(texts[node.value.id])
    return ".+"


def quoted_errors() -> list[tuple[int, str]]:
    """The error lines of the page, each with the exit code in the heading above it."""
    found, code = [], 0
    for line in (DOCS / "troubleshooting.md").read_text().splitlines():
        if heading := re.match(r"## Exit code (\d+)", line):
            code = int(heading[1])
        if line.startswith("    Error: "):
            found.append((code, line.removeprefix("    Error: ")))
    return found


@pytest.mark.parametrize(("code", "line"), quoted_errors())
def test_each_quoted_error_is_raised_with_that_exit_code(code: int, line: str) -> None:
    codes = {found for found, pattern in error_patterns() if pattern.fullmatch(line)}
    assert code in codes, f"nothing in the source says so with exit code {code}; with others: {codes}"


def test_every_exit_code_is_explained() -> None:
    page = (DOCS / "troubleshooting.md").read_text()
    for kind in kinds().values():
        assert f"| {kind.exit_code} |" in page
        assert f"## Exit code {kind.exit_code}:" in page
