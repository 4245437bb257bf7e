"""One engine file on machines that match it and that do not: docs/troubleshooting.md has each message."""

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.engine_files import toy_spec, write_engine
from helpers.simulated_device import Simulation
from helpers.toy_engine import HEIGHT, WIDTH, toy_libraries
from segdata.errors import EdgeSegError
from segrun.runners.tensorrt.bindings import BindingsDriver
from segrun.runners.tensorrt.driver import load_driver
from segrun.runners.tensorrt.manifest import manifest_path
from segrun.runners.tensorrt.runner import Libraries, TensorRTRunner

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
ENGINE = Path("unet-128.fp32.sm75.engine")
HOME: dict[str, Any] = {
    "target": "NVIDIA GeForce GTX 1660 Ti",
    "rebuild": "seg-export unet-128 --fp32 --engine tensorrt --cc 7.5",
}
NO_DEVICE = 100  # cuda.h: CUDA_ERROR_NO_DEVICE


def opened(trust: bool = False, libraries: Libraries | None = None, **entries: Any) -> str:  # noqa: ANN401
    """The message when an engine with these entries in its manifest is opened."""
    write_engine(ENGINE, toy_spec(HEIGHT, WIDTH), **(HOME | entries))
    return said(trust, libraries)


def said(trust: bool = False, libraries: Libraries | None = None) -> str:
    try:
        with TensorRTRunner(ENGINE, trust=trust, libraries=libraries or toy_libraries(Simulation())):
            return "runs"
    except EdgeSegError as error:
        return str(error)


def tampered(trust: bool) -> str:
    write_engine(ENGINE, toy_spec(HEIGHT, WIDTH), **HOME)
    ENGINE.write_bytes(b"another plan")
    return said(trust)


def without_manifest() -> str:
    write_engine(ENGINE, toy_spec(HEIGHT, WIDTH), **HOME)
    manifest_path(ENGINE).unlink()
    return said()


def with_driver(driver: Any) -> str:  # noqa: ANN401
    libraries = toy_libraries(Simulation())
    return opened(libraries=Libraries(libraries.tensorrt, libraries.logger, driver, None))


def without_gpu() -> str:
    """The real enum of CUDA's results, and a driver that finds nothing."""
    real = importlib.import_module("cuda.bindings.driver")
    refusing = SimpleNamespace(cuInit=lambda flags: (real.CUresult(NO_DEVICE),), CUevent_flags=real.CUevent_flags)
    return with_driver(BindingsDriver(refusing))


def with_old_driver_for_tensorrt() -> str:
    """TensorRT logs it, and returns a runtime that must not be touched."""
    libraries = toy_libraries(Simulation())

    def runtime(logger: Any) -> object:  # noqa: ANN401
        logger.errors.append("CUDA initialization failure with error: 35; [checkInitialized] cudaError 35")
        return object()

    module: Any = libraries.tensorrt.module
    module.Runtime = runtime
    return opened(libraries=libraries)


def with_pycuda_that_says(text: str) -> Callable[[], str]:
    def case() -> str:
        package = Path("broken") / "pycuda"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
        (package / "driver.py").write_text(f"raise ImportError({text!r})")
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(package.parent.absolute()))
            for name in ("pycuda", "pycuda.driver"):
                patch.delitem(sys.modules, name, raising=False)
            try:
                load_driver()
            except EdgeSegError as error:
                return str(error)
            finally:
                for name in ("pycuda", "pycuda.driver"):
                    sys.modules.pop(name, None)
        return "loads"

    return case


CASES: dict[str, Callable[[], str]] = {
    "everything fits": opened,
    "TensorRT is the same release in a newer package": lambda: opened(version="10.16.1.11.post1"),
    "TensorRT has another version": lambda: opened(version="10.14.1.48"),
    "built by TensorRT-RTX, opened by TensorRT": lambda: opened(
        flavour="tensorrt-rtx", version="1.7.1.116", rebuild="seg-export unet-128 --fp32 --engine rtx --cc 7.5"
    ),
    "the GPU has another compute capability": lambda: opened(
        target="NVIDIA RTX A2000",
        compute_capability="8.6",
        rebuild="seg-export unet-128 --fp32 --engine tensorrt --cc 8.6",
    ),
    "the file is not the one that was built": lambda: tampered(trust=False),
    "the same, with `--trust`": lambda: tampered(trust=True),
    "its manifest is missing": without_manifest,
    "no driver": with_pycuda_that_says("libcuda.so.1: cannot open shared object file: No such file or directory"),
    "a driver older than pycuda's CUDA": with_pycuda_that_says("undefined symbol: cuCtxCreate_v4"),
    "a driver older than TensorRT's CUDA": with_old_driver_for_tensorrt,
    "a driver, but no GPU": without_gpu,
}


def rows() -> dict[str, str]:
    section = PAGE.read_text(encoding="utf-8").partition("### An engine on a machine\n")[2].partition("\n## ")[0]
    return {what: line.strip("`") for what, line in re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)[2:]}


@pytest.mark.parametrize("what", CASES)
def test_the_page_says_what_an_engine_says(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CASES[what]() == rows()[what]


def test_the_page_has_no_other() -> None:
    assert list(rows()) == list(CASES)
