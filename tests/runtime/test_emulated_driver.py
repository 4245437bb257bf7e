"""The runner with the real pycuda and the real cuda-bindings, on an emulated CUDA driver: optional, as both are."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from helpers import emulated_driver
from helpers.wheels import ROOT

PATIENCE = 500  # seconds after which a run that hangs fails


@pytest.fixture(scope="module")
def libcuda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the emulated driver."""
    if reason := emulated_driver.why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("libcuda")
    emulated_driver.build(folder)
    return folder


@pytest.mark.parametrize(("package", "module"), [("pycuda", "pycuda"), ("cuda-bindings", "cuda")])
def test_it_is_used_as_cuda_documents_and_every_failure_is_one_line(package: str, module: str, libcuda: Path) -> None:
    """The runner as it is, with each call failing once or for good; and wrong runners, whose errors must be noticed."""
    if find_spec(module) is None:
        pytest.skip(f"{package} is not installed")
    path = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"LD_LIBRARY_PATH": str(libcuda), "PYTHONPATH": path}
    script = [sys.executable, emulated_driver.__file__, package]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == ""
    assert "calls failed" in done.stderr
