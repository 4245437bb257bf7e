"""The wheel has the files of the folders, nothing called `data` in site-packages, and the versions that were tried."""

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.wheels import FOLDERS, ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture
def packed(wheel: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(wheel) as opened:
        yield opened


def test_the_wheel_holds_every_module_and_shipped_file(packed: zipfile.ZipFile) -> None:
    in_wheel = {name for name in packed.namelist() if ".dist-info/" not in name}
    in_folders = {
        path.relative_to(ROOT / folder).as_posix()
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert in_wheel == in_folders


def test_only_the_five_packages_reach_site_packages(packed: zipfile.ZipFile) -> None:
    top = {name.split("/")[0] for name in packed.namelist() if ".dist-info/" not in name}
    assert top == set(FOLDERS.values())


def test_the_shipped_models_are_small(packed: zipfile.ZipFile) -> None:
    assert sum(info.file_size for info in packed.infolist() if "/shipped/" in info.filename) > 1_000_000
    assert sum(info.compress_size for info in packed.infolist()) < 40_000_000


def declared() -> list[Requirement]:
    """The requirements of developers in pyproject.toml, with all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    (own,) = (Requirement(text) for text in extras["dev"] if text.startswith("edgeseg["))
    texts = [*project["dependencies"], *(text for extra in ("dev", *sorted(own.extras)) for text in extras[extra])]
    return [requirement for requirement in map(Requirement, texts) if requirement.name != "edgeseg"]


def versions(file: str) -> dict[str, str]:
    """The versions that a file of requirements asks for on the Python it was tried with."""
    lines = [line for line in (ROOT / file).read_text().splitlines() if "==" in line]
    tried = {"python_version": "3.11", "python_full_version": "3.11.7"}
    found = [each for each in map(Requirement, lines) if each.marker is None or each.marker.evaluate(tried)]
    return {each.name: next(iter(each.specifier)).version for each in found}


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_what_was_tried_is_what_is_allowed(requirement: Requirement) -> None:
    if requirement.marker is not None and not requirement.marker.evaluate({"python_version": "3.11"}):
        pytest.skip("not needed on the Python that constraints.txt was written with")
    assert versions("constraints.txt")[canonicalize_name(requirement.name)] in requirement.specifier


def test_developers_have_the_pytorch_that_was_tried() -> None:
    assert versions("requirements-dev.txt") == {"torch": versions("constraints.txt")["torch"]}


def test_constraints_hold_on_every_machine() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    for line in lines:
        requirement = Requirement(line)
        assert requirement.url is None
        assert "+" not in str(requirement.specifier), "a build for some machines only"
    assert lines == sorted(lines, key=lambda line: Requirement(line).name)


def test_no_module_is_over_400_lines() -> None:
    long = {
        path.name: lines
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder / package).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert long == {}
