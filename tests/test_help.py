"""Every command explains itself, at once and without loading what it does not need."""

import os
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
    "numpy", "matplotlib", "tensorrt_rtx", "aiohttp",
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


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("command", COMMANDS)
def test_the_shell_completes_options(command: str, shell: str) -> None:
    """As docs/install.md has it."""
    path, variable = Path(sys.executable).parent / command, f"_{command.upper().replace('-', '_')}_COMPLETE"

    def asked(word: str, **words: str) -> str:
        environment = os.environ | {variable: f"{shell}_{word}"} | words
        return subprocess.run([path], env=environment, capture_output=True, text=True, check=True).stdout

    assert variable in asked("source")
    assert "--help" in asked("complete", COMP_WORDS=f"{command} --he", COMP_CWORD={"fish": "--he"}.get(shell, "1"))
