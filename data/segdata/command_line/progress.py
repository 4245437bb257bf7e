"""Progress of a long job, and the bar in a terminal that shows it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich import progress as rich_progress
from rich.console import Console


class Progress(Protocol):
    """Told by a job that takes its time: `start` once, `advance` after each unit of work.

    Any method may raise, KeyboardInterrupt for one: the job ends then, and leaves what was there before.
    """

    def start(self, total: int | None, done: int = 0) -> None:
        """Begin; `total` is how many units of work there are, None if unknown, `done` of them before."""

    def advance(self, note: str = "") -> None:
        """Count one unit as done; `note` is shown beside the bar."""


class Silent:
    """A Progress that shows nothing."""

    def start(self, total: int | None, done: int = 0) -> None:
        """Show nothing."""

    def advance(self, note: str = "") -> None:
        """Show nothing."""


SILENT = Silent()


class Bar:
    """A Progress in a terminal: a bar, the count, a note and the time left."""

    def __init__(self, shown: rich_progress.Progress, task: rich_progress.TaskID) -> None:
        self._shown = shown
        self._task = task
        self.started = False

    def start(self, total: int | None, done: int = 0) -> None:
        """Show the bar."""
        self._shown.update(self._task, total=total, completed=done)
        self._shown.start()
        self.started = True

    def advance(self, note: str = "") -> None:
        """Move the bar on by one unit."""
        self._shown.update(self._task, advance=1, note=note)


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Bar]:
    """Give a bar on standard error, shown from its `start` to the end of the block."""
    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn(unit),
        rich_progress.TextColumn("{task.fields[note]}"),
        rich_progress.TimeRemainingColumn(),
    )
    shown = rich_progress.Progress(*columns, console=Console(stderr=True))
    bar = Bar(shown, shown.add_task(what, total=None, note=""))
    try:
        yield bar
    finally:
        if bar.started:
            shown.stop()
