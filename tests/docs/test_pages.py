"""The README and the pages under docs/ are right about commands, options and Python."""

import importlib
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from helpers.docs_desk import INSTEAD, NOT_HERE, why_not
from helpers.docs_pages import (
    DOCS,
    PACKAGES,
    PAGES,
    PROGRAMS,
    ROOT,
    blocks,
    find_shapes,
    inline,
    our_commands,
    python_blocks,
    shape,
)
from segdata.dataset.dataset import Dataset
from segdata.prepare.label_files import find_label_space

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from conftest import Artefacts


# Options that a page names although no command of ours has them, and why.
NOT_OURS = {
    ("install.md", "--index-url"): "pip's",
    ("training.md", "--nproc-per-node"): "torchrun's",
    ("fleet.md", "--head"): "Ray's",
    ("install.md", "--build-arg"): "Docker's",
}

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Line:
    """One of our command lines on a page; `indented` if it is in a block, not in the text."""

    page: Path
    text: str
    indented: bool

    def __str__(self) -> str:
        return f"{self.page.name}: {self.text}"


BLOCKS = [block for page in PAGES for block in blocks(page)]
LINES = [
    *(Line(block.page, text, True) for block in BLOCKS for step in block.steps for text in our_commands(step.line)),
    *(Line(page, text, False) for page in PAGES for text in inline(page) if re.match(r"seg-[a-z]+( |$)", text)),
]


@cache
def scripts() -> dict[str, str]:
    """The commands of pyproject.toml, with the module of each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {name: target.partition(":")[0] for name, target in project["scripts"].items()}


@cache
def commands() -> dict[str, click.Command]:
    """Every command as a user types it, subcommands such as `seg-bench compare` included."""
    found: dict[str, click.Command] = {}
    for name, module_name in scripts().items():
        module = importlib.import_module(module_name)
        chosen: list[tuple[click.Command, dict[str, click.Command]]] = []
        if hasattr(module, "dispatch"):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(module, "dispatch", lambda _, main, others, to=chosen: to.append((main, others)))
                module.main()
            main, others = chosen[0]
        else:
            main = module.main if isinstance(module.main, click.Command) else module.command
            others = _subcommands(main) if isinstance(main, click.Group) else {}
        found |= {name: main} | {f"{name} {other}": command for other, command in others.items()}
    return found


def _subcommands(group: click.Group) -> dict[str, click.Command]:
    """Includes those of other packages."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def command_of(words: list[str]) -> tuple[str, list[str]]:
    """The name of the command that `words` call, and its arguments."""
    if " ".join(words[:2]) in commands():
        return " ".join(words[:2]), words[2:]
    return words[0], words[1:]


def options_of(command: click.Command) -> set[str]:
    found = {"--help", "-h"}
    for parameter in command.params:
        found |= {*parameter.opts, *parameter.secondary_opts}
    return found


# --- commands and options ---


def test_the_pages_have_command_lines() -> None:
    assert len([line for line in LINES if line.indented]) > 40
    assert {line.page.name for line in LINES} >= {"README.md", "run.md", "bench.md", "data.md", "install.md"}


@pytest.mark.parametrize("line", LINES, ids=str)
def test_each_command_line_parses(line: Line) -> None:
    name, arguments = command_of(shlex.split(line.text))
    assert name in commands(), f"there is no {name}"
    command = commands()[name]
    if not line.indented and (not arguments or arguments == ["--help"]):
        return  # its name alone, as a word of the sentence
    assert not isinstance(command, click.Group), f"{name} needs one of {list(command.commands)}"
    try:
        # An option alone in a sentence, `seg-run --window`, comes without what the command works on.
        command.make_context(name, list(arguments), resilient_parsing=False)
    except click.ClickException as error:
        if line.indented or not isinstance(error.__cause__, (click.MissingParameter, click.BadOptionUsage)):
            raise
        for word in filter(lambda word: word.startswith("-"), arguments):
            assert word.partition("=")[0] in options_of(command), f"{name} has no {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_option_in_the_text_is_one(page: Path) -> None:
    ours = set().union(*map(options_of, commands().values()))
    named = {
        option for code in inline(page) if not code.startswith(("pip ", "apt-get ")) for option in _OPTION.findall(code)
    }
    assert {option for option in named - ours if (page.name, option) not in NOT_OURS} == set()


def test_what_is_excepted_is_still_said() -> None:
    for name, option in NOT_OURS:
        assert option in next(page for page in PAGES if page.name == name).read_text()


@pytest.mark.parametrize("where", ["README.md", "docs"])
def test_every_command_is_mentioned(where: str) -> None:
    pages = [page for page in PAGES if page.is_relative_to(ROOT / where)]
    text = "\n".join(page.read_text() for page in pages)
    for name in scripts():
        assert f"`{name}" in text or f"    {name} " in text
    for name in set(commands()) - set(scripts()):
        assert name in text


# --- Python ---

ELSEWHERE = DOCS / "service.md"  # needs servers: see test_docs_service
PYTHON = [
    (page, number, body)
    for page in PAGES
    if page != ELSEWHERE
    for number, body in enumerate(python_blocks(page), start=1)
]


@pytest.mark.parametrize(
    ("page", "number", "body"), PYTHON, ids=[f"{page.relative_to(ROOT)}:{number}" for page, number, _ in PYTHON]
)
def test_each_python_block_runs(
    page: Path,
    number: int,
    body: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    street_video: Path,
    dataset: Dataset,
    artefacts: "Artefacts",
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(street_video, "drive.mp4")
    shutil.copytree(dataset.folder, "dataset")
    Path("exports").mkdir()
    shutil.copy(artefacts.onnx["int8"], "exports/unet-64.int8.onnx")
    exec(compile(body, f"{page.name}, block {number}", "exec"), {})
    assert capsys.readouterr().out.strip()


def test_there_are_python_blocks() -> None:
    assert len(PYTHON) >= 4


# --- every block of commands is run: test_blocks_*.py ---

COMMANDS = [block for block in BLOCKS if block.steps]


def test_every_block_is_of_a_known_kind() -> None:
    """The tests below cover everything that a reader could type."""
    for block in BLOCKS:
        if not block.steps:
            # The last two are held by test_fleet_manifests and by test_processes.
            known = ("Error: ", "frames: uint8", 'name = "two"', "apiVersion: batch/v1", "#!/bin/bash")
            assert block.lines[0].startswith(known), f"{block}\n{block.text}"
        elif not block.text.startswith("$ "):
            assert all(line.startswith(PROGRAMS) for line in block.lines), f"{block}\n{block.text}"


def test_each_page_with_commands_is_run_by_one_file() -> None:
    files = Path(__file__).parent.glob("test_blocks_*.py")
    run = [name for file in files for name in re.findall(r'"(\S+\.md)"', file.read_text())]
    assert sorted(run) == sorted({block.page.name for block in COMMANDS})


def test_what_is_changed_in_lines_or_not_run_is_there() -> None:
    lines = [step.line for block in COMMANDS for step in block.steps]
    for pattern, _ in NOT_HERE:
        assert any(re.search(pattern, line) for line in lines), pattern
    quickened = [line for line in lines if not why_not(line)]
    for pattern, _, _ in INSTEAD:
        assert any(re.search(pattern, line) for line in quickened), pattern
    assert len(quickened) > 2 * (len(lines) - len(quickened))


def test_a_shape_is_found_in_its_place_only() -> None:
    printed = "title\na  1.5 ms\n\nb ━━━━ 12\nend\n"
    assert find_shapes(("a 0.1 ms", "b ━━ 3"), printed) is None
    assert find_shapes(("a 2 ms", "...", "end"), printed) is None
    assert find_shapes(("a 2 ms", "end"), printed) == "end"
    assert find_shapes(("b ━ 1", "a 1 ms"), printed) == "a 1 ms"
    assert find_shapes(("a 1 s",), printed) == "a 1 s"


@pytest.mark.parametrize("processor", ["AMD EPYC", "Intel(R) Xeon(R) Processor @ 2.60GHz", "A (B) (C)"])
def test_a_line_has_the_same_shape_on_every_processor(processor: str) -> None:
    said = "150 frames read, 185.8 FPS end to end on OpenVINO (x, int8/bf16)"
    printed = f"12 frames read, 3.1 FPS end to end on OpenVINO ({processor}, int8/f32) and more"
    assert shape(printed) == shape(said) + " and more"


def test_each_pip_line_names_extras_that_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    texts = [page.read_text() for page in PAGES]
    named = [found for text in texts for found in re.findall(r"(?:\.|edgeseg)\[([a-z,]+)\]", text)]
    assert len(named) > 10
    assert {extra for names in named for extra in names.split(",")} <= set(extras)
    told = {name for name in extras if name not in ("docs", "dev")}
    install = (DOCS / "install.md").read_text()
    assert {name for name in told if not re.search(rf"^\| `{name}` +\|", install, re.MULTILINE)} == set()


def test_each_make_line_names_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for line in (step.line for block in COMMANDS for step in block.steps if step.line.startswith("make ")):
        for target in line.split()[1:]:
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), line


def test_the_commands_of_make_demo_parse() -> None:
    if not shutil.which("make"):
        pytest.skip("needs make")
    made = subprocess.run(["make", "--dry-run", "demo"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = [line[line.index("/seg-") + 1 :] for line in made.splitlines() if re.match(r"\S*/seg-", line)]
    assert len(found) == 5
    for line in found:
        name, arguments = command_of(shlex.split(line))
        commands()[name].make_context(name, list(arguments), resilient_parsing=False)


def test_the_system_packages_are_those_the_commands_ask_for() -> None:
    lines = [step.line for block in COMMANDS for step in block.steps if step.line.startswith("apt-get ")]
    source = "".join(file.read_text() for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    assert lines
    assert all(line.removeprefix("apt-get install ") in source for line in lines)


def test_the_label_space_of_the_data_page_can_be_read(tmp_path: Path) -> None:
    block = next(block for block in blocks(DOCS / "data.md") if "classes = [" in block.text)
    (tmp_path / "two.toml").write_text("\n".join(block.lines))
    assert find_label_space(str(tmp_path / "two.toml")).names == ("way", "other")
