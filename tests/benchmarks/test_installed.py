"""What a preflight says is installed: by what edgeseg's own package asks for."""

import shlex
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec

import pytest

from segbench.preflight.installed import EXTRAS, Extra, installed
from segdata.command import missing_dependency
from segdata.errors import EdgeSegError

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


def found(versions: dict[str, str]) -> dict[str, Extra]:
    return {extra.name: extra for extra in installed(finder(versions), REQUIRES)}


def finder(versions: dict[str, str]) -> Callable[[str], str]:
    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    return version


def test_what_is_installed_is_named_with_its_version() -> None:
    extras = found(ALL)
    assert all(extra.problem is None for extra in extras.values())
    assert extras[""].packages == ("numpy 2.4.6", "opencv-python 5.0.0")
    assert extras["export"].packages == ("onnx 1.23.2", "torch 2.13.0+cpu")
    assert {name: extra.serves for name, extra in extras.items()} == EXTRAS


@pytest.mark.parametrize(
    ("lacks", "extra", "said"),
    [
        ("numpy", "", "numpy is not installed; run: pip install 'edgeseg'"),
        ("torch", "train", "torch is not installed; run: pip install 'edgeseg[train]'"),
        ("torch", "export", "torch is not installed; run: pip install 'edgeseg[export]'"),
        ("aiohttp", "serve", "aiohttp is not installed; run: pip install 'edgeseg[serve]'"),
    ],
)
def test_what_lacks_is_named_with_the_command_that_mends_it(lacks: str, extra: str, said: str) -> None:
    extras = found({name: version for name, version in ALL.items() if name != lacks})
    assert extras[extra].problem == said
    spared = {"serve"} if lacks != "aiohttp" else {"train", "export"}
    assert all(extras[name].problem is None for name in spared)


def test_a_version_out_of_range_is_a_problem() -> None:
    problem = found(ALL | {"numpy": "1.24.0"})[""].problem
    assert problem is not None
    assert problem.startswith("numpy is 1.24.0, need ")
    assert problem.endswith("; run: pip install 'edgeseg'")


def test_opencv_without_windows_is_opencv() -> None:
    versions = {name: version for name, version in ALL.items() if name != "opencv-python"}
    assert found(versions)[""].problem == "opencv-python is not installed; run: pip install 'edgeseg'"
    assert found(versions | {"opencv-python-headless": "5.0.0"})[""].problem is None


def test_it_speaks_of_this_installation_as_the_commands_do() -> None:
    """The extra that is named for a module that cannot be imported is one that would bring it."""
    for extra in installed():
        if extra.problem is None:
            continue
        words = shlex.split(extra.problem.rsplit("run: ", 1)[1])
        assert words[:2] == ["pip", "install"]
    for module, name in {"torch": "train", "onnx": "export", "aiohttp": "serve", "jinja2": "report"}.items():
        here = {each.name: each for each in installed()}[name]
        assert any(each.startswith(f"{module} ") for each in here.packages) == (find_spec(module) is not None)
        error: EdgeSegError = missing_dependency(ModuleNotFoundError(f"No module named {module!r}", name=module))
        assert f"edgeseg[{name}]" in str(error)
