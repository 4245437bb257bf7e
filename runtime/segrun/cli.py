"""seg-run: video + artefact -> segmented video."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.addresses import without_password
from segdata.command import INTERRUPTED, Command, fixable
from segdata.errors import EdgeSegError, IncompleteError, InputError
from segdata.option import with_options
from segdata.progress import progress_bar
from segdata.text import one_line
from segrun.interrupt import Interrupts
from segrun.options import SERVED_AT, RunOptions

if TYPE_CHECKING:
    from segrun.fleet.fleet import Crew
    from segrun.runners.base import Runner


_ADDRESS = re.compile(r"[^/\\]*:[0-9]+")  # HOST:PORT


class _RunCommand(Command):
    """Takes the name of a file that begins with a dash, as a pattern of the shell may give it, for that file."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = {name for parameter in self.params for name in parameter.opts}
        for index, arg in enumerate(args):
            if arg == "--serve" and not _ADDRESS.fullmatch("".join(args[index + 1 : index + 2])):
                args[index] = f"--serve={SERVED_AT}"  # what follows is no address, but an input
        return super().parse_args(ctx, [f"./{arg}" if _is_file(arg) and arg not in options else arg for arg in args])


def _is_file(word: str) -> bool:
    with suppress(OSError):
        return word.startswith("-") and len(word) > 1 and Path(word).is_file()
    return False


_EXAMPLES = (
    "seg-run drive.mp4",
    "seg-run drive.mp4 -o seg.mp4 -o facts.jsonl --view side-by-side --legend",
    "seg-run 0 --serve --model unet-128",
)


@click.command(cls=_RunCommand, examples=_EXAMPLES)
@with_options(RunOptions)
def main(options: RunOptions) -> None:
    """Segment INPUT: each class of the street in its colour over the frame.

    INPUT is a video, an image, a pattern of them, a folder of images or videos, the number of a webcam, an address
    (rtsp://, http://, udp://, rtmp://), a pipe or - for standard input; several are done one after the other.

    Every frame of a file is kept, with its time and the audio; a live source drops what there was no time for, and says
    how much. Ctrl-C finishes what was begun. Needs no GPU.
    """
    with Interrupts(last=True) as interrupts:
        _run_all(options, interrupts)


def _run_all(options: RunOptions, interrupts: Interrupts) -> None:
    from segrun.runners.open import open_runner
    from segrun.sources.open import expand, is_live

    if options.listed is not None:
        _run_fleet(options, interrupts)
        return
    if options.ray is not None:
        raise InputError(f"got --ray {options.ray} without --from; name the videos by --from LIST")
    if not options.inputs:
        raise click.UsageError("Missing argument 'INPUT...'.")
    options = replace(options, inputs=tuple(expand(options.inputs)))
    throughput = not any(is_live(word) for word in options.inputs)
    failures = []
    with open_runner(
        options.model,
        options.runner,
        trust=options.trust,
        throughput=throughput,
        arithmetic=options.arithmetic,
    ) as runner:
        for word in options.inputs:
            try:
                _run(options, word, runner, interrupts)
            except Exception as error:  # whatever it is, it must not keep the next input from its turn
                failures.append(_named(error, word))
                if len(options.inputs) > 1:
                    click.echo(f"Error: {one_line(str(failures[-1]))}", err=True)
    if len(failures) == 1 == len(options.inputs):
        raise failures[0]
    if failures:
        raise IncompleteError(
            f"{len(failures)} of {len(options.inputs)} inputs failed; each is named above"
        ) from failures[0]


def _run_fleet(options: RunOptions, interrupts: Interrupts) -> None:
    from rich.console import Console

    from segrun.fleet.fleet import FAILED, Fleet, checked_outputs, run_fleet
    from segrun.fleet.receipt import Receipts
    from segrun.fleet.shard import parse_shard
    from segrun.fleet.table import as_table
    from segrun.fleet.videos import find_videos

    if options.inputs:
        raise InputError(f"got {without_password(options.inputs[0])} and --from {options.listed}; name one of them")
    options = replace(options, outputs=checked_outputs(options.outputs or ("segmented/{path}.mp4",)))
    listed, shard = find_videos(str(options.listed)), parse_shard(options.shard)
    with _crew(options, interrupts) as (crew, model), progress_bar("Segmenting", "videos") as bar:
        fleet = Fleet(options=options, listed=listed, shard=shard, receipts=Receipts(options.receipts), model=model)
        tally = run_fleet(fleet, crew, bar, on_failure=lambda line: click.echo(f"Error: {line}", err=True))
    Console().print(as_table(tally, shard))
    if tally.failed:
        named = f"each is named above, and in {options.receipts / FAILED}"
        raise IncompleteError(f"{len(tally.failed)} of {len(listed.videos)} videos failed; {named}")


@contextmanager
def _crew(options: RunOptions, interrupts: Interrupts) -> Iterator[tuple["Crew", str]]:
    """Give who does the videos, this process or a Ray cluster, and the SHA-256 that the model goes by."""
    from segdata.cores import hold_cores
    from segdata.files import sha256_of
    from segrun.fleet.fleet import one_by_one
    from segrun.runners.open import open_runner

    opened = partial(
        open_runner, options.model, options.runner, trust=options.trust, throughput=True, arithmetic=options.arithmetic
    )
    if options.ray is None:
        with opened() as runner:
            yield (
                one_by_one(options, runner, interrupts),
                runner.weights if options.model is None else sha256_of(options.model),
            )
        return
    from segrun.fleet.cluster import cluster, slots

    if options.window or options.serve:
        raise InputError("got --ray and --window or --serve: its machines have no screen; leave one out")
    if options.model is None:
        hold_cores(options.cpus_per_video)  # what is fastest so is remembered, and taken by the slots
        with opened() as runner:
            model = runner.weights
    elif options.model.is_file():
        model = sha256_of(options.model)
    else:
        raise InputError(f"{options.model}: no such file; need an artefact written by seg-export")
    with cluster(options):
        yield slots(options), model


def _named(error: Exception, word: str) -> EdgeSegError:
    """Return an error of one line that names the input; `--debug` shows where a surprise came from."""
    with suppress(Exception):  # it is raised again where it is a surprise
        if isinstance(error, EdgeSegError | ImportError | OSError):
            return fixable(error)
    surprise = EdgeSegError(
        f"{without_password(word)}: {type(error).__name__} ({error}), which is a fault of edgeseg: please report this "
        "with what --debug shows"
    )
    surprise.__cause__ = error
    return surprise


def _run(options: RunOptions, word: str, runner: "Runner", interrupts: Interrupts) -> None:
    """Run one of the inputs, and say how it went."""
    from segrun.run import run
    from segrun.sinks.open import output_names
    from segrun.sources.open import is_live

    interrupts.forget()  # those that ended a live input before this one
    say = partial(click.echo, err="-" in options.outputs)
    one = replace(options, inputs=(word,), outputs=output_names(options, word))
    with progress_bar("Segmenting", "frames") as bar:
        report = run(one, runner, bar, on_address=lambda address: say(f"Watch it at {address}"), interrupts=interrupts)
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
    if report.interrupted and not is_live(word):
        click.echo(f"Interrupted after {report.frames_shown} frames; the result is complete to there.", err=True)
        sys.exit(INTERRUPTED)
