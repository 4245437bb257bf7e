"""The wheel holds what the folders hold, and nothing called `data` or `train` reaches site-packages."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "data": "segdata",
    "train": "segtrain",
    "export": "segexport",
    "runtime": "segrun",
    "benchmarks": "segbench",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy of what is in the repository."""
    source = tmp_path_factory.mktemp("source")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    target = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(source)]
    result = subprocess.run(build, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return zipfile.ZipFile(next(target.glob("*.whl")))


def test_the_wheel_holds_every_module_and_shipped_file(wheel: zipfile.ZipFile) -> None:
    in_wheel = {name for name in wheel.namelist() if ".dist-info/" not in name}
    in_folders = {
        path.relative_to(ROOT / folder).as_posix()
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert in_wheel == in_folders


def test_only_the_five_packages_reach_site_packages(wheel: zipfile.ZipFile) -> None:
    top = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" not in name}
    assert top == set(FOLDERS.values())


def test_the_shipped_models_are_small(wheel: zipfile.ZipFile) -> None:
    shipped = sum(info.file_size for info in wheel.infolist() if "/shipped/" in info.filename)
    assert 1_000_000 < shipped < 25_000_000


def test_no_module_is_over_400_lines() -> None:
    long = {
        path.name: lines
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder / package).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert long == {}
