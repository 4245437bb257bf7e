"""Which parts of edgeseg are installed, by what its package says that each extra needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

EXTRAS = {
    "": "seg-data, seg-run, seg-bench",
    "train": "seg-train",
    "export": "seg-export",
    "serve": "seg-run --serve",
    "report": "seg-bench --html",
}
"""What each extra is for; "" is what everyone has. The two with TensorRT are tried, not looked up."""


@dataclass(frozen=True)
class Extra:
    """An extra ("" for none), what it is for, its packages with their versions, or what is missing and the pip line."""

    name: str
    serves: str
    packages: tuple[str, ...]
    problem: str | None = None


def installed(find_version: Callable[[str], str] = version, all_requires: Sequence[str] | None = None) -> list[Extra]:
    """Return what is installed of each of `EXTRAS`.

    `find_version` is importlib.metadata's; `all_requires` are requirements as a package's metadata has them,
    edgeseg's own if None.
    """
    if all_requires is None:
        all_requires = requires("edgeseg") or []
    parsed = [Requirement(text) for text in all_requires]
    return [_extra(name, serves, _needed(name, parsed), find_version) for name, serves in EXTRAS.items()]


def _needed(extra: str, parsed: Sequence[Requirement]) -> list[Requirement]:
    """Return the requirements of an extra alone, those of the extras in it with them."""
    needed = []
    for requirement in parsed:
        chosen = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        if not chosen or (extra and "extra" not in str(requirement.marker)):
            continue
        if requirement.name == "edgeseg":
            needed += [each for name in sorted(requirement.extras) for each in _needed(name, parsed)]
        else:
            needed.append(requirement)
    return needed


def _extra(name: str, serves: str, needed: Sequence[Requirement], find_version: Callable[[str], str]) -> Extra:
    packages, problems = [], []
    for requirement in needed:
        try:
            found = find_version(requirement.name)
        except PackageNotFoundError:
            if requirement.name != "opencv-python" or not _has_headless(find_version):
                problems.append(f"{requirement.name} is not installed")
            continue
        packages.append(f"{requirement.name} {found}")
        if not requirement.specifier.contains(found, prereleases=True):
            problems.append(f"{requirement.name} is {found}, need {requirement.specifier}")
    what = f"edgeseg[{name}]" if name else "edgeseg"
    problem = f"{', '.join(problems)}; run: pip install '{what}'" if problems else None
    return Extra(name, serves, tuple(packages), problem)


def _has_headless(find_version: Callable[[str], str]) -> bool:
    """The build of OpenCV without windows does as well, and pip does not know."""
    try:
        find_version("opencv-python-headless")
    except PackageNotFoundError:
        return False
    return True
