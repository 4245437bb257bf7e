"""Runs edgeseg's commands in the process of the tests: a new process would take seconds to import libraries.

What is promised of a process (signals, pipes, its end after an abort) is tested in a real one.
"""

import io
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, TextIO
from unittest.mock import patch

import click


def run_command(
    name: str,
    *words: object,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: IO[bytes] | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run `name` with `words` in `cwd`, with `env` added to the environment; return its output and its exit code.

    It reads `stdin` as its standard input.

    What libraries print past Python is part of it. An exception that would leave a process with a traceback ends it
    with 1, and the traceback is on standard error.
    """
    (entry,) = entry_points(group="console_scripts", name=name)
    command = [name, *map(str, words)]
    with ExitStack() as stack:
        stack.enter_context(_inside(cwd or Path.cwd()))
        stack.enter_context(patch.object(sys, "argv", command))
        stack.enter_context(patch.dict(os.environ, env or {}))
        if stdin is not None:
            given = io.TextIOWrapper(stdin)
            stack.callback(given.detach)  # whoever opened it closes it
            stack.enter_context(patch.object(sys, "stdin", given))
        out = stack.enter_context(_caught("stdout", 1))
        error = stack.enter_context(_caught("stderr", 2))
        try:
            main = entry.load()
            # click names a bare command after the module that runs, which is that of the tests.
            main(prog_name=name) if isinstance(main, click.Command) else main()
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        except Exception:
            traceback.print_exc()
            code = 1
        return subprocess.CompletedProcess(command, code, _text(sys.stdout, out), _text(sys.stderr, error))


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in `folder` during the block."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _caught(name: str, descriptor: int) -> Iterator[io.BufferedRandom]:
    """Redirect a stream of `sys`, and its descriptor, into a file during the block."""
    before = os.dup(descriptor)
    with tempfile.TemporaryFile() as file, open(descriptor, "w", encoding="utf-8", closefd=False) as stream:
        os.dup2(file.fileno(), descriptor)
        try:
            with patch.object(sys, name, stream):
                yield file
                stream.flush()
        finally:
            os.dup2(before, descriptor)
            os.close(before)


def _text(stream: TextIO, file: io.BufferedRandom) -> str:
    stream.flush()
    file.seek(0)
    return file.read().decode(errors="surrogateescape").replace("\r\n", "\n")
