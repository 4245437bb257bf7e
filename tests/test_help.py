"""Every command explains itself, at once and without loading what it does not need."""

import importlib.metadata
import os
import re
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


@pytest.mark.parametrize("command", COMMANDS)
def test_a_module_is_run_like_its_command(command: str) -> None:
    package = COMMANDS[command].partition(".")[0]
    words = [sys.executable, "-m", package, "--help"]
    as_module = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    path = Path(sys.executable).parent / command
    as_command = subprocess.run([path, "--help"], capture_output=True, text=True, check=True).stdout
    assert as_module.replace(f"python -m {package}", command) == as_command


def test_one_command_has_all_five() -> None:
    edgeseg = Path(sys.executable).parent / "edgeseg"
    listed = subprocess.run([edgeseg], capture_output=True, text=True, check=True).stdout
    assert all(f"The same as {command}." in " ".join(listed.split()) for command in COMMANDS)
    version = subprocess.run([edgeseg, "run", "--version"], capture_output=True, text=True, check=True).stdout
    assert version == f"seg-run, version {importlib.metadata.version('edgeseg')}\n"
    wrong = subprocess.run([edgeseg, "rum"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "No such command 'rum'" in wrong.stderr


def test_help_has_the_options_in_groups_and_examples_that_parse() -> None:
    path = Path(sys.executable).parent / "seg-run"
    text = subprocess.run([path, "--help"], capture_output=True, text=True, check=True).stdout
    sections = re.findall(r"^(\S.*):$", text, re.MULTILINE)
    assert sections[0] == "Options"
    assert sections[-2:] == ["General", "Examples"]
    assert len(sections) > 5
    examples = [line.strip() for line in text.partition("Examples:\n")[2].splitlines()]
    assert len(examples) == 3
    from segrun.cli import main

    for example in examples:
        main.make_context("seg-run", example.split()[1:])


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


@pytest.mark.parametrize(
    "command",
    [
        "seg-data prepare", "seg-data check", "seg-data show", "seg-data synth", "seg-train", "seg-export",
        "seg-export inspect", "seg-export wrap", "seg-run", "seg-bench", "seg-bench preflight", "seg-bench compare",
    ],
)  # fmt: skip
def test_every_help_ends_with_examples(command: str) -> None:
    name, *words = command.split()
    path = Path(sys.executable).parent / name
    text = subprocess.run([path, *words, "--help"], capture_output=True, text=True, check=True).stdout
    examples = text.partition("\nExamples:\n")[2].splitlines()
    assert examples
    assert all(line.startswith(f"  {command}") for line in examples)
    assert max(map(len, text.splitlines())) <= 80
