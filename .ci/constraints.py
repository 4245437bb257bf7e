"""Print constraints.txt: the version that is installed here of all that `edgeseg[dev]` needs, directly or not."""

import re
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
HEADER = f"""\
# The versions that edgeseg was developed and tested with; `make constraints` writes them.
# Tried on Python {sys.version_info[0]}.{sys.version_info[1]}. Packages that left Python 3.10 behind are not held there.
#   pip install -c constraints.txt '.[export]'"""


def normal(name: str) -> str:
    """Return the one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(extra: str) -> list[Requirement]:
    """Return what pyproject.toml says that edgeseg needs, and its extra needs; those of other extras included."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    found = [Requirement(text) for text in (*project["dependencies"], *project["optional-dependencies"][extra])]
    own = [other for requirement in found if requirement.name == "edgeseg" for other in sorted(requirement.extras)]
    return [r for r in found if r.name != "edgeseg"] + [r for other in own for r in declared(other)]


def needed(requirements: list[Requirement], extra: str, found: dict[tuple[str, str], Distribution]) -> None:
    """Add to `found`, by name and extra, the requirements that hold for `extra` here, and what those need."""
    for requirement in requirements:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = normal(requirement.name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in found:
                found[name, wanted] = distribution(name)
                needed([Requirement(text) for text in found[name, wanted].requires or ()], wanted, found)


def constraint(name: str, version: str, pythons: str) -> str:
    """Return the line for a package, without what tells builds for different machines apart (2.13.0+cpu)."""
    newer = "" if SpecifierSet(pythons).contains("3.10.0") else '; python_version >= "3.11"'
    return f"{name}=={version.partition('+')[0]}{newer}"


def main() -> None:
    """Print the file."""
    found: dict[tuple[str, str], Distribution] = {}
    needed(declared("dev"), "", found)
    lines = {name: constraint(name, d.version, d.metadata["Requires-Python"] or "") for (name, _), d in found.items()}
    # What the Makefile installs instead where the system lacks libGL.
    lines["opencv-python-headless"] = lines["opencv-python"].replace("opencv-python", "opencv-python-headless")
    print(HEADER)
    print(*(lines[name] for name in sorted(lines)), sep="\n")


if __name__ == "__main__":
    main()
