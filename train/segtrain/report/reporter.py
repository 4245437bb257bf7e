"""What a run says and draws while it works."""

import math
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import click

from segdata.errors import EdgeSegError
from segdata.spec import ModelSpec
from segtrain.history import EpochFigures, best_of
from segtrain.options import TrainOptions
from segtrain.report.log import RunLog, open_log
from segtrain.report.plots import plot_curves, save
from segtrain.report.run_folder import write_config
from segtrain.report.run_page import write_run_page
from segtrain.report.summary import describe

_REDRAWN = 10.0
"""Seconds after which the curves are drawn again: that takes half a second, as long as a small epoch."""


class Reporter:
    """The `Events` of a run, for the person who started it: printed, drawn in its folder, and logged.

    Where standard output is no terminal, as in a job's log, each epoch is a line; in one, the bar says the same.
    """

    def __init__(self, folder: Path, options: TrainOptions) -> None:
        """Write into `folder`."""
        self._folder, self._options = folder, options
        self._epochs = 0
        self._log: RunLog | None = None
        self._history: list[EpochFigures] = []
        self._drawn = -math.inf

    def planned(self, spec: ModelSpec, epochs: int) -> None:
        """Print what is trained, once, and write the options as they are now."""
        if not self._epochs:
            for line in describe(spec):
                click.echo(line)
        self._epochs = epochs
        write_config(self._folder, self._options, spec, epochs)
        if self._options.log and self._log is None:
            self._log = open_log(self._options.log, self._folder, asdict(self._options))

    def scored(self, history: list[EpochFigures]) -> None:
        """Draw the curves again, if they are some seconds old."""
        if not sys.stdout.isatty():
            click.echo(_line(history, self._epochs))
        self._history = history
        if time.monotonic() - self._drawn >= _REDRAWN:
            self._draw(running=True)
        if self._log is not None:
            self._log.add(history[-1])

    def warned(self, line: str) -> None:
        """Print a warning."""
        click.echo(f"Warning: {line}", err=True)

    def finish(self) -> None:
        """Log what the folder holds now that the run is over."""
        if self._log is not None:
            self._log.finish()

    def give_up(self) -> None:
        """Draw the curves a last time, and log that the run ended early."""
        if self._history:
            # The disk may be full, and that the reason; a second Ctrl-C ends the drawing.
            with suppress(EdgeSegError, OSError, KeyboardInterrupt):
                self._draw(running=False)
        if self._log is not None:
            self._log.give_up()

    def _draw(self, *, running: bool) -> None:
        save(plot_curves(self._history), self._folder / "curves.png")
        write_run_page(self._folder, self._history, self._epochs, running=running)
        self._drawn = time.monotonic()


def _line(history: list[EpochFigures], epochs: int) -> str:
    row = history[-1]
    kept = ", the best so far" if best_of(history) is row else ""
    return (
        f"epoch {row.epoch}/{epochs}: loss {row.train_loss:.3f} (val {row.val_loss:.3f}), mIoU {100 * row.miou:.1f}, "
        f"accuracy {100 * row.pixel_accuracy:.1f}, {row.images_per_second:.0f} images/s{kept}"
    )
