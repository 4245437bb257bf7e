"""A list of videos with a receipt for each: what is done stays done, what failed is named."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from segdata.errors import InputError
from segdata.progress import SILENT, Progress
from segrun.fleet.job import Job, done, targets_of
from segrun.fleet.receipt import Receipt, Receipts, key_of
from segrun.fleet.shard import Shard
from segrun.fleet.staging import published, staging, sweep, written
from segrun.fleet.videos import ROOT, Video, VideoList, twins
from segrun.interrupt import Interrupts
from segrun.options import RunOptions
from segrun.runners.base import Runner

FAILED = "failed.txt"
"""In the folder of receipts: the videos that failed, a path a line; `--from` reads it."""

Crew = Callable[[Iterator[Job]], Generator[Receipt, None, None]]
"""Who does the videos: takes one whenever there is room for it, and yields the receipts as they come."""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """What is to be done: the videos of `listed` that are in `shard`, as `options` say, by the model of this SHA-256.

    Raises InputError for outputs that all videos would share, and if two videos would have one result.
    """

    options: RunOptions
    listed: VideoList
    shard: Shard
    receipts: Receipts
    model: str

    def __post_init__(self) -> None:
        checked_outputs(self.options.outputs)
        for one, other in twins(self.listed.videos):
            raise InputError(f"got {one.path} and {other.path}, whose results would have one name; rename one of them")

    def key(self, video: Video) -> str:
        """Return the key of a video's receipt."""
        return key_of(video, self.model, self.options)

    def places(self) -> set[Path]:
        """Return the folders that are written to."""
        videos = self.shard.of(self.listed.videos)
        places = {target.parent for video in videos for target in targets_of(video, self.options).values()}
        return {*places, self.receipts.folder}


@dataclass
class Tally:
    """What became of the videos of a run: `skipped` had a receipt, `failed` are those that have none that says done."""

    done: int = 0
    skipped: int = 0
    frames: int = 0
    seconds: float = 0.0
    failed: dict[str, str] = field(default_factory=dict)


def checked_outputs(outputs: tuple[str, ...]) -> tuple[str, ...]:
    """Return the outputs for a list of videos; raise InputError for one that all of them would share."""
    for output in outputs:
        if output == "-" or "{frame}" in output:
            raise InputError(
                f"got -o {output}, which has no receipt; need files or folders as 'out/{{path}}.mp4', or none"
            )
        if output != "none" and "{path}" not in output:
            raise InputError(f"got -o {output} for many videos; put {{path}} into it, as 'out/{{path}}.mp4'")
    return outputs


def one_by_one(options: RunOptions, runner: Runner, interrupts: Interrupts | None = None) -> Crew:
    """Return the crew of this process: `runner` does one video after the other."""

    def crew(jobs: Iterator[Job]) -> Generator[Receipt, None, None]:
        for job in jobs:
            yield done(job, options, runner, interrupts)

    return crew


def run_fleet(
    fleet: Fleet, crew: Crew, progress: Progress = SILENT, on_failure: Callable[[str], None] = lambda _: None
) -> Tally:
    """Have `crew` do the videos of a share that have no valid receipt yet, and leave a receipt for each.

    A result has its name only when it is whole. A video that fails is told to `on_failure` in one line, gets a receipt
    that says so, and is listed in `FAILED`; the next has its turn. Raises InputError if the receipts cannot be written.
    """
    mine, tally, places = fleet.shard.of(fleet.listed.videos), Tally(), fleet.places()
    paths = {}
    begun = time.perf_counter()

    def note(path: Path, receipt: Receipt) -> None:
        if receipt.error:
            tally.failed[str(path)] = receipt.error
            on_failure(receipt.error)
        progress.advance(f"{tally.frames / (time.perf_counter() - begun):.0f} FPS")

    def jobs() -> Iterator[Job]:
        """Look for a receipt when a video's turn comes, not before: another process may have done it meanwhile."""
        for video in mine:
            key = fleet.key(video)
            receipt = fleet.receipts.read(key)
            if receipt is not None and receipt.still_holds():
                tally.skipped += 1
                note(video.path, receipt)
            else:
                paths[key] = video.path
                yield Job(video, key)

    sweep(places)
    progress.start(len(mine))
    try:
        with closing(crew(jobs())) as made:
            for receipt in made:
                fleet.receipts.write(receipt)
                tally.frames += receipt.frames_shown
                tally.done += receipt.state == "done"
                note(paths.pop(receipt.key), receipt)
    finally:
        sweep(places)
    tally.seconds = time.perf_counter() - begun
    _list_failed(fleet)
    return tally


def _list_failed(fleet: Fleet) -> None:
    """Write the list of those of all videos whose receipt says failed: shares that end later complete it."""
    failed = []
    for video in fleet.listed.videos:
        receipt = fleet.receipts.read(fleet.key(video))
        if receipt is not None and receipt.state == "failed":
            failed.append(str(video.path.absolute()))
    path = fleet.receipts.folder / FAILED
    if failed:
        with written(path), staging(path) as folder:
            lines = [f"{ROOT}{fleet.listed.root.absolute()}", *failed]
            (folder / FAILED).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            published(folder / FAILED, path)
    else:
        path.unlink(missing_ok=True)
