"""Starts processes for tests; none outlives its test, whatever happens."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def without_coverage() -> dict[str, str]:
    """Return the environment for processes that run nothing of ours, or only what other tests run.

    Counting their lines takes each of them a third of a second, and more where they import much.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


@contextmanager
def child(
    command: Sequence[str | Path],
    limit: float = 60,
    **options: Any,  # noqa: ANN401 - Popen's
) -> Iterator["subprocess.Popen[Any]"]:
    """Start a process for the block, wait `limit` seconds for its end, and then kill it; at once if the block fails.

    `subprocess.Popen` as a context waits for it without a limit: for ever, if it does not hear what should end it.
    """
    process = subprocess.Popen(command, **options)
    try:
        yield process
        with suppress(subprocess.TimeoutExpired):
            process.wait(limit)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):  # what it did not take cannot be sent any more
                if pipe is not None:
                    pipe.close()
