"""The outcome of a list of videos, as a table."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from segrun.fleet.fleet import Tally
from segrun.fleet.shard import Shard


def as_table(tally: Tally, shard: Shard) -> Table:
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
