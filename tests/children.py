"""Processes that tests start: none outlives its test, whatever the test finds."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def child(command: Sequence[str | Path], **options: Any) -> Iterator["subprocess.Popen[Any]"]:  # noqa: ANN401 - Popen's
    """Start a process for the block; kill it at the end if it is still there, and close its pipes.

    `subprocess.Popen` as a context would wait for it instead: for ever, where it does not hear what should end it.
    """
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):  # what it did not take cannot be sent any more
                if pipe is not None:
                    pipe.close()
