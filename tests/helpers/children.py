"""Starts processes for tests; none outlives its test, whatever happens."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


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
