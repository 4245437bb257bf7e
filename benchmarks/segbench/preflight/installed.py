"""Which parts of edgeseg are installed, by the requirements in its package's metadata."""

from collections.abc import Iterator
from importlib.metadata import requires

from packaging.requirements import Requirement

from segbench.measure.machine import installed_version
from segdata.errors import MissingDependencyError

EXTRAS = {
    "": "seg-data, seg-run, seg-bench",
    "train": "seg-train",
    "export": "seg-export",
    "serve": "seg-run --serve",
    "report": "seg-bench --html",
}
"""What each extra is for; "" is what everyone has. The two with TensorRT are tried, not looked up."""


def installed(extra: str) -> str:
    """Return the packages of an extra with their versions.

    Raises MissingDependencyError, with the pip line, if one of them is not installed or does not fit.
    """
    packages, problems = [], []
    for requirement in _needed(extra):
        name, found = requirement.name, installed_version(requirement.name)
        if name == "opencv-python" and not found:  # the build without windows works as well, but pip does not know that
            found = installed_version("opencv-python-headless")
        packages.append(f"{name} {found}")
        if not found:
            problems.append(f"{name} is not installed")
        elif not requirement.specifier.contains(found, prereleases=True):
            problems.append(f"{name} is {found}, need {requirement.specifier}")
    if problems:
        what = f"edgeseg[{extra}]" if extra else "edgeseg"
        raise MissingDependencyError(f"{', '.join(problems)}; run: pip install '{what}'")
    return ", ".join(packages)


def _needed(extra: str) -> Iterator[Requirement]:
    """Yield the requirements of an extra alone, those of the extras in it with them."""
    for requirement in map(Requirement, requires("edgeseg") or ()):
        marker = requirement.marker
        if (marker and not marker.evaluate({"extra": extra})) or (extra and "extra" not in str(marker)):
            continue
        if requirement.name == "edgeseg":
            for name in sorted(requirement.extras):
                yield from _needed(name)
        else:
            yield requirement
