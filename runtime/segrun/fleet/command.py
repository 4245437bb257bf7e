"""seg-run --from: many videos, here or on a Ray cluster, with a receipt for each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from segdata.command_line.interrupt import Interrupts
from segdata.command_line.progress import progress_bar
from segdata.cores import hold_cores
from segdata.errors import IncompleteError, InputError
from segdata.files import sha256_of
from segdata.text import without_password
from segrun.fleet.fleet import FAILED, Crew, Fleet, Tally, one_by_one, run_fleet, side_by_side
from segrun.fleet.places import checked_outputs, without_results
from segrun.fleet.receipt import Receipts
from segrun.fleet.shard import Shard, parse_shard
from segrun.fleet.videos import find_videos
from segrun.options import RunOptions
from segrun.runners.base import Runner
from segrun.runners.open import open_runners


def run_listed(options: RunOptions, interrupts: Interrupts) -> None:
    """Do the videos of `--from`, and say how it went."""
    if options.together:
        raise InputError(f"got --together and --from {options.listed}; leave one out")
    if options.inputs:
        raise InputError(f"got {without_password(options.inputs[0])} and --from {options.listed}; name one of them")
    options = replace(options, outputs=checked_outputs(options.outputs or ("segmented/{path}.mp4",)))
    listed, shard = without_results(find_videos(str(options.listed)), options), parse_shard(options.shard)
    with _crew(options, interrupts) as (crew, model), progress_bar("Segmenting", "videos") as bar:
        fleet = Fleet(options=options, listed=listed, shard=shard, receipts=Receipts(options.receipts), model=model)
        tally = run_fleet(fleet, crew, bar, on_failure=lambda line: click.echo(f"Error: {line}", err=True))
    Console().print(_as_table(tally, shard))
    if tally.failed:
        named = f"each is named above, and in {options.receipts / FAILED}"
        raise IncompleteError(f"{len(tally.failed)} of {len(listed.videos)} videos failed; {named}")


@contextmanager
def _crew(options: RunOptions, interrupts: Interrupts) -> Iterator[tuple[Crew, str]]:
    """Yield the crew that does the videos, here or on a Ray cluster, and the model's identity in receipts."""

    def known_by(runner: Runner) -> str:
        return runner.weights if options.model is None else f"{options.model} {runner.weights}"

    model = sha256_of(options.model) if options.model is not None and options.model.is_file() else None
    if options.ray is None:
        with open_runners(options, throughput=True) as runners:
            alone = one_by_one(options, runners[0], interrupts)
            crew = alone if len(runners) == 1 else side_by_side(options, runners, interrupts)
            yield crew, model or known_by(runners[0])
        return
    from segrun.fleet.cluster import cluster, slots

    if options.window or options.serve or options.metrics:
        raise InputError("got --ray and --window, --serve or --metrics: its machines do not have these; leave one out")
    if options.device not in ("auto", "cpu"):
        raise InputError(f"got --ray and --device {options.device}: Ray gives out the GPUs; leave it out")
    if model is None:
        hold_cores(options.cpus_per_video)  # the fastest way is remembered, and the slots take it
        with open_runners(options, throughput=True) as runners:
            model = known_by(runners[0])
    with cluster(options):
        yield slots(options), model


def _as_table(tally: Tally, shard: Shard) -> Table:
    """Return one row: how many videos were done, had a receipt, failed, and how fast it went."""
    table = Table(title=f"Videos of share {shard}", box=SIMPLE_HEAD)
    fps = tally.frames / tally.seconds if tally.seconds else 0.0
    figures = {
        "done": f"{tally.done:,}",
        "done before": f"{tally.skipped:,}",
        "failed": f"{len(tally.failed):,}",
        "frames": f"{tally.frames:,}",
        "seconds": f"{tally.seconds:,.1f}",
        "FPS": f"{fps:,.1f}",
    }
    for heading in figures:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row(*figures.values())
    return table
