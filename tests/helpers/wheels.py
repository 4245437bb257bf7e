"""What tests of the built package share: a copy of the tree, its wheel, and environments with nothing else in them."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

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
        """Run one of its programs as a person would, who has set nothing for Python."""
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


def install(wheel: Path, folder: Path, extra: str = "", borrowed: Sequence[str] = ()) -> Installed:
    """Make a virtual environment in `folder` and install the wheel there, with the versions that are installed here.

    `borrowed` are beginnings of names of packages that are not installed anew but linked from here.
    """
    work = folder / "work"
    work.mkdir()
    subprocess.run([sys.executable, "-m", "venv", folder / "environment"], check=True)
    made = Installed(folder / "environment", work)
    if borrowed:
        _link(borrowed, folder / "borrowed")
        site_packages = Path(made.python("import sysconfig; print(sysconfig.get_path('purelib'))"))
        (site_packages / "borrowed.pth").write_text(str(folder / "borrowed"))
    constraints = folder / "constraints.txt"
    versions = {d.name: d.version.partition("+")[0] for d in distributions() if d.name != "edgeseg"}
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
    # What is imported is compiled then, which is less than all.
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "-c", constraints)
    made.run("python", *pip, f"{wheel}[{extra}]" if extra else wheel)
    if "opencv-python-headless" in versions:  # the system lacks what the other build links against: see the Makefile
        made.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", "opencv-python")
        made.run("python", *pip, "opencv-python-headless")
    return made


def _link(names: Sequence[str], target: Path) -> None:
    target.mkdir()
    for package in distributions():
        if not any(re.match(rf"{name}([-_]|$)", package.name) for name in names):
            continue
        for top in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
            if not (target / top).exists():
                (target / top).symlink_to(Path(str(package.locate_file(top))))
