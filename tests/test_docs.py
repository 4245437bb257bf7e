"""What the README and the pages under docs/ say is so: commands, options, Python, links, error lines."""

import ast
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urlsplit

import click
import pytest

from docs_desk import INSTEAD, NOT_HERE, lay, prepare, quick, why_not
from docs_pages import DOCS, PAGES, PROGRAMS, ROOT, Block, blocks, find_shapes, inline, our_commands, python_blocks
from segdata import errors
from segdata.dataset import Dataset
from segdata.label_files import find_label_space

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from conftest import Artefacts

PACKAGES = ("data/segdata", "train/segtrain", "export/segexport", "runtime/segrun", "benchmarks/segbench")

# Options that a page names although no command of ours has them, and why.
NOT_OURS = {
    ("install.md", "--index-url"): "pip's",
}

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Line:
    """One command line of ours on a page; `indented` ones stand in a block of their own, others in the text."""

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
    """Every command as a user types it, with those that the first word chooses: `seg-bench compare`."""
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
            others = dict(main.commands) if isinstance(main, click.Group) else {}
        found |= {name: main} | {f"{name} {other}": command for other, command in others.items()}
    return found


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
        # An option alone in a sentence, `seg-run --window`, lacks what the command works on.
        command.make_context(name, list(arguments), resilient_parsing=False)
    except (click.MissingParameter, click.BadOptionUsage):
        if line.indented:
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

PYTHON = [(page, number, body) for page in PAGES for number, body in enumerate(python_blocks(page), start=1)]


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
    shutil.copy(artefacts.onnx["int8"], "exports/best.int8.onnx")
    exec(compile(body, f"{page.name}, block {number}", "exec"), {})
    assert capsys.readouterr().out.strip()


def test_there_are_python_blocks() -> None:
    assert len(PYTHON) >= 4


# --- every block of commands is run ---

COMMANDS = [block for block in BLOCKS if block.steps]


def test_every_block_is_of_a_known_kind() -> None:
    """Nothing that a reader could type escapes the tests below."""
    for block in BLOCKS:
        if not block.steps:
            assert block.lines[0].startswith(("Error: ", "frames: uint8", 'name = "two"')), f"{block}\n{block.text}"
        elif not block.text.startswith("$ "):
            assert all(line.startswith(PROGRAMS) for line in block.lines), f"{block}\n{block.text}"


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_each_block_of_commands_runs(block: Block, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    steps = [step for step in block.steps if not why_not(step.line)]
    if not steps:
        return  # parsed above, or below
    for program in ("ffmpeg", "jq"):
        if any(re.search(rf"\b{program} ", step.line) for step in steps) and not shutil.which(program):
            pytest.skip(f"needs {program}")
    made = (request.getfixturevalue(name) for name in ("dataset", "artefacts", "street_video"))
    desk = lay(tmp_path, *made)
    for step in steps:
        line = quick(step.line)
        prepare(desk, line)
        printed = desk.run(line)
        assert find_shapes(step.prints, printed) is None, f"{line}\n{printed}"


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


def test_each_pip_line_names_extras_that_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    texts = [page.read_text() for page in PAGES]
    named = [found for text in texts for found in re.findall(r"(?:\.|edgeseg)\[([a-z,]+)\]", text)]
    assert len(named) > 10
    assert {extra for names in named for extra in names.split(",")} <= set(extras)
    told = {name for name in extras if name not in ("docs", "dev")}
    install = (DOCS / "install.md").read_text()
    assert {name for name in told if f"| `{name}` |" not in install} == set()


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


# --- error lines ---


@cache
def error_patterns() -> list[tuple[int, re.Pattern[str]]]:
    """The exit code of each error that the packages raise, and its text, with `.+` for what only the moment tells."""
    codes = {name: kind.exit_code for name, kind in vars(errors).items() if isinstance(kind, type)}
    found = []
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            texts = _constants(file)
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name)
                    and node.func.id in codes
                    and node.args
                ):
                    text = _pattern(node.args[0], texts)
                    if len(text.replace(".+", "").replace("\\", "")) >= 15:  # "{path}: {error}" would match anything
                        found.append((codes[node.func.id], re.compile(text)))
    return found


def _constants(file: Path) -> dict[str, str]:
    """The texts that a module gives names, which its error lines may quote."""
    return {
        node.targets[0].id: node.value.value
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


def _pattern(node: ast.expr, texts: dict[str, str]) -> str:
    if isinstance(node, ast.Constant):
        return re.escape(str(node.value))
    if isinstance(node, ast.JoinedStr):
        return "".join(_pattern(value, texts) for value in node.values)
    if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name) and node.value.id in texts:
        return re.escape(texts[node.value.id])
    return ".+"


def quoted_errors() -> list[tuple[int, str]]:
    """The error lines of the page, each with the exit code in the heading above it."""
    found, code = [], 0
    for line in (DOCS / "troubleshooting.md").read_text().splitlines():
        if heading := re.match(r"## Exit code (\d+)", line):
            code = int(heading[1])
        if line.startswith("    Error: "):
            found.append((code, line.removeprefix("    Error: ")))
    return found


@pytest.mark.parametrize(("code", "line"), quoted_errors())
def test_each_quoted_error_is_raised_with_that_exit_code(code: int, line: str) -> None:
    codes = {found for found, pattern in error_patterns() if pattern.fullmatch(line)}
    assert code in codes, f"nothing in the source says so with exit code {code}; with others: {codes}"


def test_every_exit_code_is_explained() -> None:
    page = (DOCS / "troubleshooting.md").read_text()
    for kind in vars(errors).values():
        if isinstance(kind, type):
            assert f"| {kind.exit_code} |" in page
            assert f"## Exit code {kind.exit_code}:" in page


# --- the site ---


class Page(HTMLParser):
    """What a built page has: ids, links, and what a browser would load for it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.navigation: list[str] = []
        self.loads: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
            if "md-nav__link" in values.get("class", ""):
                self.navigation.append(urldefrag(values["href"])[0])
        elif tag in ("script", "img", "link", "iframe", "source", "video", "object", "embed"):
            self.loads += [values[name] for name in ("src", "href", "srcset", "data") if name in values]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """The site, built strictly, page by page."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {file: Page(file) for file in folder.rglob("*.html")}


def test_every_page_is_built(site: dict[Path, Page]) -> None:
    built = {file.relative_to(_root_of(site)).with_suffix(".md").as_posix() for file in site} - {"404.md"}
    assert built == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


def test_every_page_is_reached_from_the_navigation_of_every_page(site: dict[Path, Page]) -> None:
    pages = {file for file in site if file.name != "404.html"}
    for file in pages:
        reached = {(file.parent / unquote(target)).resolve() for target in site[file].navigation if target}
        assert pages - {found / "index.html" if found.is_dir() else found for found in reached} - {file} == set()


def test_every_link_and_anchor_of_the_site_resolves(site: dict[Path, Page]) -> None:
    root, broken = _root_of(site), []
    for file, page in site.items():
        if file.name == "404.html":
            continue  # its links begin with a slash: it is shown at any address
        for link in page.links:
            target, anchor = urldefrag(link)
            if urlsplit(link).scheme or target.startswith("#"):
                continue
            found = (file.parent / unquote(target)).resolve() if target not in ("", ".") else file
            found = found / "index.html" if found.is_dir() else found
            if not found.is_file() or (anchor and found in site and unquote(anchor) not in site[found].ids):
                broken.append(f"{file.relative_to(root)}: {link}")
    assert broken == []


def test_the_site_loads_nothing_from_elsewhere(site: dict[Path, Page]) -> None:
    for page in site.values():
        assert [address for address in page.loads if re.match(r"(https?:)?//", address)] == []
    styles = [style.read_text() for style in _root_of(site).rglob("*.css")]
    assert not any(re.search(r"url\(['\"]?(https?:)?//|@import", style) for style in styles)


def test_the_docstrings_are_there(site: dict[Path, Page]) -> None:
    pages = {file.relative_to(_root_of(site)).as_posix(): page for file, page in site.items()}
    for page, name in (
        ("segrun", "segrun.segmenter.Segmenter.video"),
        ("segrun", "segrun.segmenter.Segmenter.__call__"),
        ("segrun", "segrun.pipeline.Pipeline.run"),
        ("segdata", "segdata.dataset.Dataset.evaluation"),
        ("segdata", "segdata.spec.ModelSpec"),
        ("segexport", "segexport.export.export"),
        ("segtrain", "segtrain.unet.UNet"),
        ("segbench", "segbench.noise.judge"),
    ):
        assert name in pages[f"api/{page}.html"].ids


def test_a_shape_in_a_docstring_stays_a_shape(site: dict[Path, Page]) -> None:
    page = (_root_of(site) / "api" / "segrun.html").read_text()
    assert "RGB, uint8 [N, H, W, 3]." in page
    assert "[:FORMAT][@RATE]" in page


def test_every_link_of_the_readme_resolves() -> None:
    readme = (ROOT / "README.md").read_text()
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-")
        for line in readme.splitlines()
        if line.startswith("#")
    }
    for link in re.findall(r"\]\(([^)]+)\)", readme):
        target, anchor = urldefrag(link)
        if urlsplit(link).scheme:
            continue
        assert not target or (ROOT / target).exists(), link
        assert target or anchor in headings, link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_machine_of_ours(page: Path) -> None:
    assert not re.search(r"\.\./shared|/work/|/root/|/home/|EDGESEG_DATA=", page.read_text())


def _root_of(site: dict[Path, Page]) -> Path:
    return next(file.parent for file in site if file.name == "404.html")
