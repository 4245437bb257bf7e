"""TensorRT without an NVIDIA driver gives one line and does not kill the process, tested with its real lean runtime.

`make` downloads the library; this needs no GPU.
"""

import os
import subprocess
import sys
import zipfile
from ctypes.util import find_library
from pathlib import Path

import pytest

WHEELS = Path(__file__).parents[2] / ".tensorrt-bindings"

OPEN = """
import tensorrt_lean_libs, tensorrt_lean_bindings
from segdata.errors import MissingDependencyError
from segrun.runners.tensorrt.engine import TensorRTEngine
from segrun.runners.tensorrt.library import TensorRT, collecting_logger

library = TensorRT(tensorrt_lean_bindings, "tensorrt")
for _ in range(2):
    try:
        TensorRTEngine(library, collecting_logger(library), b"a plan", "net.engine")
    except MissingDependencyError as error:
        print(error)
"""


@pytest.mark.skipif(find_library("cuda") is not None, reason="there is a driver here")
def test_no_driver_is_one_line_and_the_process_goes_on(tmp_path: Path) -> None:
    wheels = list(WHEELS.glob("tensorrt_lean_*.whl"))
    if len(wheels) != 2:
        pytest.skip("TensorRT's lean runtime was not downloaded")
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tmp_path)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", OPEN], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"it ended by signal {-done.returncode}\n{done.stderr}"
    first, again = done.stdout.splitlines()
    assert first.startswith("the NVIDIA driver is missing or too old for tensorrt ")
    assert "cudaError 35" in first
    assert "tensorrt-cu12 takes driver 525" in first
    assert again == first
