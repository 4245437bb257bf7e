"""Runs the inputs of a command line, one after the other or at the same time, and says how each went."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from segdata.command_line.command import INTERRUPTED
from segdata.command_line.fixable import fixable
from segdata.command_line.interrupt import Interrupts
from segdata.command_line.progress import progress_bar
from segdata.errors import EdgeSegError, IncompleteError
from segdata.text import one_line, without_password
from segrun.options import RunOptions
from segrun.run import run
from segrun.runners.base import Runner
from segrun.sinks.open import output_names
from segrun.sources.open import is_file, is_live

if TYPE_CHECKING:
    from segrun.together import InputRun

_UNTIL = "\nCtrl-C ends it."


def run_in_turn(options: RunOptions, runner: Runner, interrupts: Interrupts) -> None:
    """Run one input after the other, and say how each went."""
    failures = []
    for word in options.inputs:
        try:
            _run(options, word, runner, interrupts)
        except Exception as error:  # no error may keep the next input from its turn
            failures.append(_named(error, word))
            if len(options.inputs) > 1:
                click.echo(f"Error: {one_line(str(failures[-1]))}", err=True)
    if len(failures) == 1 == len(options.inputs):
        raise failures[0]
    if failures:
        raise IncompleteError(
            f"{len(failures)} of {len(options.inputs)} inputs failed; each is named above"
        ) from failures[0]


def run_side_by_side(options: RunOptions, runners: list[Runner], interrupts: Interrupts) -> None:
    """Run all inputs at the same time, and say how each went."""
    from segrun.together import run_together  # its preview needs an extra

    def failed(each: "InputRun") -> None:
        assert isinstance(each.error, Exception)
        click.echo(f"Error: {one_line(str(_named(each.error, each.word)))}", err=True)

    with progress_bar("Segmenting", "frames") as bar:
        runs = run_together(
            options,
            runners,
            bar,
            interrupts,
            on_address=lambda address: click.echo(f"Watch it at {address}"),
            on_failure=failed,
        )
    if runners[0].chosen:
        click.echo(f"chose {runners[0].chosen}")
    Console().print(as_table(runs))
    for report in filter(None, (each.report for each in runs)):
        for remark in report.remarks:
            click.echo(remark, err=True)
        for output in report.outputs:
            click.echo(output)
    failures = [each.error for each in runs if each.error]
    corrupt = [each for each in runs if each.report and each.report.corrupt_packets]
    if failures or corrupt:
        raise IncompleteError(
            f"{len(failures)} of {len(runs)} inputs failed and {len(corrupt)} had packets that could not be decoded; "
            "each is named above"
        ) from (failures[0] if failures else None)
    if any(each.report and each.report.interrupted and not is_live(each.word) for each in runs):
        click.echo("Interrupted; the results are complete to there.", err=True)
        sys.exit(INTERRUPTED)


def _run(options: RunOptions, word: str, runner: Runner, interrupts: Interrupts) -> None:
    """Run one of the inputs, and say how it went."""
    interrupts.forget()  # Ctrl-C that ended a live input before this one
    say = partial(click.echo, err="-" in options.outputs)
    one = replace(options, inputs=(word,), outputs=output_names(options, word))
    plays = options.serve is not None and not (options.outputs or options.window) and is_file(word)
    stays = plays and len(options.inputs) == 1
    with progress_bar("Segmenting", "frames") as bar:
        report = run(
            one,
            runner,
            bar,
            on_address=lambda address: say(f"Watch it at {address}" + (_UNTIL if stays else "")),
            interrupts=interrupts,
            plays=plays,
            stays=stays,
        )
    if runner.chosen:
        say(f"chose {runner.chosen}")
    say(
        f"{report.frames_read} frames read = {report.frames_shown} shown + {report.frames_dropped} dropped, "
        f"{report.fps:.1f} FPS end to end on {runner.name} ({runner.device}, {runner.computes})"
    )
    for remark in report.remarks:
        click.echo(remark, err=True)
    for output in report.outputs:
        say(output)
    if report.corrupt_packets:
        raise IncompleteError(
            f"{without_password(word)}: {report.corrupt_packets} packets could not be decoded; the other "
            f"{report.frames_read} frames are complete"
        )
    if report.interrupted and not (stays or is_live(word)):
        click.echo(f"Interrupted after {report.frames_shown} frames; the result is complete to there.", err=True)
        sys.exit(INTERRUPTED)


def _named(error: Exception, word: str) -> EdgeSegError:
    """Return an error of one line that names the input; `--debug` shows the traceback of an unexpected one."""
    with suppress(Exception):  # unexpected errors are raised again
        if isinstance(error, EdgeSegError | ImportError | OSError):
            return fixable(error)
    surprise = EdgeSegError(
        f"{without_password(word)}: {type(error).__name__} ({error}), which is a fault of edgeseg: please report this "
        "with what --debug shows"
    )
    surprise.__cause__ = error
    return surprise


def as_table(runs: Sequence["InputRun"]) -> Table:
    """Return a table with a row for each input: its frame counts, speed and latencies."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("input")
    for heading in ("frames read", "shown", "dropped", "FPS", "latency p50, p99 (ms)"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in runs:
        now, report = each.beside.counters(), each.report
        figures = [f"{count:,}" for count in (now.frames_read, now.frames_shown, now.frames_dropped)]
        if report is None:
            table.add_row(each.name, *figures, "failed" if each.error else "not begun", "-")
            continue
        late = np.percentile(report.latencies, [50, 99]) * 1e3 if report.latencies else None
        table.add_row(
            each.name, *figures, f"{report.fps:.1f}", "-" if late is None else f"{late[0]:.0f}, {late[1]:.0f}"
        )
    return table
