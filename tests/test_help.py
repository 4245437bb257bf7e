"""Every command has help, which comes fast and loads no library that it does not need."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.commands import run_command

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
    assert as_module.replace(f"python -m {package}", command) == run_command(command, "--help").stdout


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
    text = run_command("seg-run", "--help").stdout
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
    variable = f"_{command.upper().replace('-', '_')}_COMPLETE"

    def asked(word: str, **words: str) -> str:
        done = run_command(command, env={variable: f"{shell}_{word}"} | words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert variable in asked("source")
    assert "--help" in asked("complete", COMP_WORDS=f"{command} --he", COMP_CWORD={"fish": "--he"}.get(shell, "1"))


@pytest.mark.parametrize(
    "command",
    [
        "edgeseg", "seg-data",
        "seg-data prepare", "seg-data check", "seg-data convert", "seg-data prelabel", "seg-data show",
        "seg-data synth", "seg-train", "seg-export", "seg-export inspect", "seg-export wrap", "seg-run", "seg-bench",
        "seg-bench preflight", "seg-bench contribute", "seg-bench compare",
    ],
)  # fmt: skip
def test_every_help_ends_with_examples(command: str) -> None:
    name, *words = command.split()
    text = run_command(name, *words, "--help").stdout
    examples = text.partition("\nExamples:\n")[2].splitlines()
    assert examples
    assert all(line.startswith(f"  {command}") for line in examples)
    assert max(map(len, text.splitlines())) <= 80
    assert "..." not in text.partition("\nCommands:\n")[2]  # no sentence is cut short
