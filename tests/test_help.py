"""Every command explains itself, at once and without loading what it does not need."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = {
    "seg-data": "segdata.cli",
    "seg-train": "segtrain.cli",
    "seg-export": "segexport.cli",
    "seg-run": "segrun.cli",
    "seg-bench": "segbench.cli",
}
HEAVY = {
    "torch", "cv2", "av", "openvino", "onnx", "onnxruntime",
    "numpy", "matplotlib", "tensorrt_rtx", "aiohttp", "ray",
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_printed(command: str) -> None:
    path = Path(sys.executable).parent / command
    result = subprocess.run([path, "--help"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"Usage: {command} ")
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


@pytest.mark.parametrize("module", COMMANDS.values())
def test_help_loads_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print(' '.join(name for name in sys.modules if '.' not in name))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY.isdisjoint(loaded)
