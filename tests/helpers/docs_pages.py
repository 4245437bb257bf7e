"""Reads the README and the pages under docs/: their blocks, the commands in them, and the output they quote."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGES = ("data/segdata", "train/segtrain", "export/segexport", "runtime/segrun", "benchmarks/segbench")
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = ("seg-", "pip ", "apt-get ", "make ", "python ", "ffmpeg ")
LEFT_OUT = "..."  # in what a command prints: lines stand there that the page leaves out


def build_site(folder: Path, root: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Build the site of the repository at `root` strictly, into `folder`."""
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(build, cwd=root, env=environment, capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Step:
    """A command line, and the output that the page quotes, if any."""

    line: str
    prints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A block of a page that is not Python; `number` counts them, from 1."""

    page: Path
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.number}"

    @property
    def lines(self) -> list[str]:
        """Its lines without indentation and comments of their own line."""
        return [line.strip() for line in self.text.splitlines() if line.strip() and not line.strip().startswith("# ")]

    @property
    def steps(self) -> list[Step]:
        """Its command lines: those after `$ ` with their output, or else all lines."""
        if not any(line.startswith("$ ") for line in self.lines):
            return [Step(line) for line in self.lines] if self.lines[0].startswith(PROGRAMS) else []
        found: list[tuple[str, list[str]]] = []
        for line in self.lines:
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
        return [Step(line, tuple(printed)) for line, printed in found]


def blocks(page: Path) -> list[Block]:
    """Return the indented and fenced blocks of a page that are not Python, in their order."""
    text = page.read_text(encoding="utf-8")
    found = [(match.start(), match[2]) for match in FENCE.finditer(text) if match[1] != "python"]
    rest = FENCE.sub(lambda match: " " * len(match[0]), text)  # nothing moves
    for match in re.finditer(r"(?:(?<=\n\n)|\A)((?: {4,}[^\n]*\n)+)", rest):
        if match[1].strip() and "`" not in match[1]:  # with backticks it is a paragraph of a list
            found.append((match.start(), match[1]))
    return [Block(page, number, body) for number, (_, body) in enumerate(sorted(found), start=1)]


def python_blocks(page: Path) -> list[str]:
    """Return the Python blocks of a page."""
    return [body for language, body in FENCE.findall(page.read_text(encoding="utf-8")) if language == "python"]


def inline(page: Path) -> list[str]:
    """Return the inline code in the text of a page."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    # An indented line with backticks is a paragraph of a list.
    text = "\n".join(line for line in text.split("\n") if not line.startswith("    ") or "`" in line)
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]


def our_commands(line: str) -> Iterator[str]:
    """Yield each call of a `seg-` command in a line of shell, split at pipes and `&&`, without comments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    part: list[str] = []
    for word in [*lexer, "|"]:
        if word not in ("|", "&&", ";"):
            part.append(word)
            continue
        if part and part[0].startswith("seg-"):
            yield shlex.join(part)
        part = []


def shape(line: str) -> str:
    """Return a printed line without its figures, widths and names of processors."""
    # A processor's own name may hold brackets: "Intel(R) Xeon(R)".
    line = re.sub(r"on (OpenVINO|ONNX Runtime) \((?:[^()]|\([^()]*\))*\)", r"on \1", line)
    line = re.sub(r"\.(fp32|fp16|int8)\.", ".PRECISION.", line)
    line = re.sub(r" ±\d+%", "", line)  # one round has no spread
    line = re.sub(r"\b(?:f32|bf16|f16|int8/\w+)\b", "TYPE", line)
    line = re.sub(r"[+-]?(?<!\w)\d[\d.,]*", "0", line)
    return " ".join(re.sub(r"([─━])\1+", r"\1", line).split())


def find_shapes(expected: tuple[str, ...], printed: str) -> str | None:
    """Return the first line of `expected` that is not at its place in `printed`; None if all are.

    Lines must follow each other as on the page; `...` stands for any lines.
    """
    there = [shape(line) for line in printed.splitlines() if line.strip()]
    position, free = 0, True  # what stands on top may be left out: the title of a progress bar
    for line in expected:
        if line == LEFT_OUT:
            free = True
            continue
        wanted = shape(line)
        last = len(there) if free else position + 1
        found = next((index for index in range(position, min(last, len(there))) if there[index] == wanted), None)
        if found is None:
            return line
        position, free = found + 1, False
    return None
