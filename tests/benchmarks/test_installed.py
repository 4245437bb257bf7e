"""What preflight lists as installed, by the requirements of edgeseg's own package."""

import shlex
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec

import pytest

import segbench.measure.machine
import segbench.preflight.installed
from segbench.preflight.installed import EXTRAS, installed
from segdata.command_line.fixable import missing_dependency
from segdata.errors import EdgeSegError, MissingDependencyError

REQUIRES = [
    "numpy<3,>=1.26",
    "opencv-python<6,>=4.11",
    'tomli<3,>=2; python_version < "3.0"',
    'torch<3,>=2.6; extra == "train"',
    'onnx<2,>=1.17; extra == "export"',
    'edgeseg[train]; extra == "export"',
    'aiohttp<4,>=3.9; extra == "serve"',
]
ALL = {"numpy": "2.4.6", "opencv-python": "5.0.0", "torch": "2.13.0+cpu", "onnx": "1.23.2", "aiohttp": "3.14.5"}


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The packages that are installed, for a test to change, where edgeseg requires `REQUIRES`."""
    found = dict(ALL)

    def version(name: str) -> str:
        if name not in found:
            raise PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(segbench.measure.machine, "version", version)
    monkeypatch.setattr(segbench.preflight.installed, "requires", {"edgeseg": REQUIRES}.get)
    return found


def problem(extra: str) -> str:
    """Return what an extra has as its problem, "" if it has none."""
    try:
        installed(extra)
    except MissingDependencyError as error:
        return str(error)
    return ""


def test_what_is_installed_is_named_with_its_version(versions: dict[str, str]) -> None:
    assert not any(problem(extra) for extra in EXTRAS)
    assert installed("") == "numpy 2.4.6, opencv-python 5.0.0"
    assert installed("export") == "onnx 1.23.2, torch 2.13.0+cpu"


@pytest.mark.parametrize(
    ("missing", "extra", "said"),
    [
        ("numpy", "", "numpy is not installed; run: pip install 'edgeseg'"),
        ("torch", "train", "torch is not installed; run: pip install 'edgeseg[train]'"),
        ("torch", "export", "torch is not installed; run: pip install 'edgeseg[export]'"),
        ("aiohttp", "serve", "aiohttp is not installed; run: pip install 'edgeseg[serve]'"),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_installs_it(
    versions: dict[str, str], missing: str, extra: str, said: str
) -> None:
    del versions[missing]
    assert problem(extra) == said
    spared = {"serve"} if missing != "aiohttp" else {"train", "export"}
    assert not any(problem(name) for name in spared)


def test_a_version_out_of_range_is_a_problem(versions: dict[str, str]) -> None:
    versions["numpy"] = "1.24.0"
    assert problem("").startswith("numpy is 1.24.0, need ")
    assert problem("").endswith("; run: pip install 'edgeseg'")


def test_opencv_without_windows_is_opencv(versions: dict[str, str]) -> None:
    del versions["opencv-python"]
    assert problem("") == "opencv-python is not installed; run: pip install 'edgeseg'"
    versions["opencv-python-headless"] = "5.0.0"
    assert problem("") == ""


def test_it_speaks_of_this_installation_as_the_commands_do() -> None:
    """The extra that an error names for a missing module is one that installs it."""
    for extra in EXTRAS:
        if said := problem(extra):
            words = shlex.split(said.rsplit("run: ", 1)[1])
            assert words[:2] == ["pip", "install"]
    for module, name in {"torch": "train", "onnx": "export", "aiohttp": "serve", "jinja2": "report"}.items():
        missing = f"{module} is not installed" in problem(name)
        assert missing == (find_spec(module) is None)
        error: EdgeSegError = missing_dependency(ModuleNotFoundError(f"No module named {module!r}", name=module))
        assert f"edgeseg[{name}]" in str(error)
