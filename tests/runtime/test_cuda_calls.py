"""The names that the code uses of TensorRT, TensorRT-RTX, pycuda and cuda-bindings exist, with these arguments."""

import importlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from shutil import which

import pytest

from helpers.gpu_calls import LIBRARIES, OTHERS, PAGE, ROOT, is_of_rtx_alone, page_with, tables, untyped, uses
from helpers.library_names import look_up

TENSORRT, PYCUDA, BINDINGS = LIBRARIES
WHEELS = ROOT / ".tensorrt-bindings"

Found = dict[str, list[tuple[int, int]] | None]

# What TensorRT's bindings ask of its libraries at their import, and in nothing that is looked up here.
ASKED = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL", "createNvOnnxParser_INTERNAL", "getBuilderPluginRegistry",
    "getNvOnnxParserVersion", "getPluginRegistry", "initLibNvInferPlugins",
)  # fmt: skip


def fits(library: str, found: Found) -> list[str]:
    """Names that do not exist, or that do not take the number of arguments they are called with."""
    wrong = []
    for use in uses(library):
        if use.name not in found:
            continue
        arities = found[use.name]
        if arities is None:
            wrong.append(f"{use.module}: {use.name} is not there")
        elif arities and not any(use.arguments in (None, *range(least, most + 1)) for least, most in arities):
            wrong.append(f"{use.module}: {use.name} is given {use.arguments} arguments, takes {arities}")
    return wrong


def names(library: str) -> list[str]:
    return sorted({use.name for use in uses(library)})


def test_the_page_lists_the_names_that_are_used() -> None:
    """python tests/helpers/gpu_calls.py writes them."""
    text = PAGE.read_text(encoding="utf-8")
    assert text == page_with(text, tables())


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_object_of_a_library_is_overlooked(library: str) -> None:
    known = LIBRARIES[library]
    assert [place for place in untyped(library) if place[1] not in {*known[place[0]], *OTHERS}] == []


def test_tensorrt_rtx_has_them() -> None:
    module = importlib.import_module("tensorrt_rtx")
    found = {name: look_up(module, name) for name in names(TENSORRT)}
    assert fits(TENSORRT, found) == []
    assert sum(bool(arities) for arities in found.values()) > 20  # whose signatures could be read


@pytest.mark.parametrize(
    ("package", "version"), [("tensorrt_cu12_bindings", "10.16"), ("tensorrt_cu13_bindings", "11.4")]
)
def test_tensorrt_has_them(package: str, version: str, tmp_path: Path) -> None:
    """Its real bindings, over stubs of its libraries: TensorRT's own are not on PyPI.

    `make` downloads them.
    """
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    wheels = [*WHEELS.glob(f"{package}-{version}*-{tag}-*.whl")]
    compiler = which("cc")
    if not wheels or compiler is None:
        pytest.skip("no C compiler" if wheels else f"no wheel of {package} for {tag} in {WHEELS.name}/; run: make test")
    with zipfile.ZipFile(max(wheels)) as archive:
        archive.extractall(tmp_path)
    binary = (tmp_path / "tensorrt_bindings" / "tensorrt.so").read_bytes()
    source = "".join(f"void *{name}(void) {{ return 0; }}\n" for name in ASKED)
    for library in sorted(set(re.findall(rb"libnv\w+\.so\.\d+", binary))):
        command = [compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", str(tmp_path / library.decode())]
        subprocess.run(command, input=source, text=True, check=True)
    wanted = [name for name in names(TENSORRT) if not is_of_rtx_alone(name)]
    path = os.pathsep.join([str(tmp_path), str(ROOT / "tests")])
    environment = os.environ | {"LD_LIBRARY_PATH": str(tmp_path), "PYTHONPATH": path}
    script = [sys.executable, "-m", "helpers.library_names", "tensorrt_bindings", *wanted]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=True)
    found: Found = json.loads(done.stdout)
    assert fits(TENSORRT, found) == []
    assert sum(bool(arities) for arities in found.values()) > 20


def test_cuda_bindings_has_them() -> None:
    module = importlib.import_module("cuda.bindings.driver")
    found = {name: look_up(module, name) for name in names(BINDINGS)}
    assert fits(BINDINGS, found) == []
    assert sum(bool(arities) for arities in found.values()) > 20


def test_pycuda_has_them() -> None:
    module = pytest.importorskip("pycuda.driver", reason="pycuda is not installed", exc_type=ImportError)
    assert fits(PYCUDA, {name: look_up(module, name) for name in names(PYCUDA)}) == []
