"""Helpers for tests of the built package: a copy of the tree, its wheel, and clean environments with it."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, PathDistribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "data": "segdata",
    "train": "segtrain",
    "export": "segexport",
    "runtime": "segrun",
    "benchmarks": "segbench",
}
LIMIT = 900  # seconds, so that nothing waits for ever


def copy_tree(target: Path) -> None:
    """Copy what the wheel is made of to `target`."""
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, target / folder, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "Makefile"):
        shutil.copy(ROOT / name, target)


def build_wheel(source: Path, target: Path) -> Path:
    """Build the wheel of a copy of the tree."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(source)]
    result = subprocess.run(build, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return next(target.glob("*.whl"))


@dataclass(frozen=True)
class Installed:
    """A virtual environment in `environment`, and the folder that its programs work in."""

    environment: Path
    folder: Path

    def run(self, program: str, *arguments: str | Path, fails: int = 0) -> subprocess.CompletedProcess[str]:
        """Run one of its programs without Python's environment variables."""
        done = subprocess.run(
            [self.environment / "bin" / program, *arguments],
            cwd=self.folder,
            env=clean_variables(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=LIMIT,
        )
        assert done.returncode == fails, f"{program}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        assert not re.search(r"\w+Warning:", done.stderr), done.stderr
        return done

    def python(self, code: str) -> str:
        """Run Python code in it, and return what it prints."""
        return self.run("python", "-c", code).stdout.strip()


def clean_variables() -> dict[str, str]:
    """Return the variables of this process without Python's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"}


def install(wheel: Path, folder: Path, extra: str = "") -> Installed:
    """Make a virtual environment in `folder` and install the wheel there, with what it asks for and nothing else.

    What it asks for is linked from here, as it may be gigabytes; pip then finds nothing missing.
    """
    work = folder / "work"
    work.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "environment"], check=True)
    made = Installed(folder / "environment", work)
    needed = _needed(wheel, extra)
    _link(needed, folder / "linked")
    site_packages = Path(made.python("import sysconfig; print(sysconfig.get_path('purelib'))"))
    (site_packages / "linked.pth").write_text(str(folder / "linked"))
    _pip(made, "install", "--quiet", "--no-deps", "--no-compile", str(wheel))
    # Without the system libraries that OpenCV links against, its headless build is installed, as in the Makefile.
    other_build = any(package.name == "opencv-python-headless" for package in needed)
    _pip(made, "check", missing="opencv-python" if other_build else "")
    return made


def _pip(into: Installed, *words: str, missing: str = "") -> None:
    python = str(into.environment / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    done = subprocess.run([*pip, *words], env=clean_variables(), capture_output=True, text=True, timeout=LIMIT)
    lines = done.stdout.splitlines()
    fine = [line for line in lines if missing and line.endswith(f" requires {missing}, which is not installed.")]
    assert done.returncode == 0 or lines == fine, done.stdout + done.stderr


def _needed(wheel: Path, extra: str) -> list[Distribution]:
    """Return what is installed here of what the wheel asks for, itself or by others."""
    (metadata,) = (path for path in zipfile.Path(wheel).iterdir() if path.name.endswith(".dist-info"))
    packages: dict[str, Distribution] = {"edgeseg": PathDistribution(metadata)}
    waiting, seen = [("edgeseg", extra)], set[tuple[str, str]]()
    while waiting:
        asked = waiting.pop()
        if asked in seen:
            continue
        seen.add(asked)
        name, extra = asked
        packages[name] = packages.get(name) or _installed(name)
        for requirement in map(Requirement, packages[name].requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(requirement.name), each) for each in ("", *requirement.extras)]
    del packages["edgeseg"]
    return list(packages.values())


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        if name != "opencv-python":
            raise
        return distribution("opencv-python-headless")


def _link(packages: Iterable[Distribution], target: Path) -> None:
    target.mkdir()
    for package in packages:
        for top in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
            if not (target / top).exists():
                (target / top).symlink_to(Path(str(package.locate_file(top))))
