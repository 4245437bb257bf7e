"""A list of videos with a receipt for each: finished videos are not done again, failed ones are named."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Lock, Thread

from segdata.command_line.interrupt import Interrupts
from segdata.command_line.progress import SILENT, Progress
from segrun.fleet.job import Job, done
from segrun.fleet.places import check_places, checked_outputs, targets_of
from segrun.fleet.receipt import Deciding, Receipt, Receipts, key_of
from segrun.fleet.shard import Shard
from segrun.fleet.staging import published, staging, sweep, written
from segrun.fleet.videos import ROOT, Video, VideoList
from segrun.options import RunOptions
from segrun.pipeline.threads import kept_threads
from segrun.runners.base import Runner

FAILED = "failed.txt"
"""The file in the folder of receipts that lists the videos that failed, one path per line; `--from` reads it."""

_SHORT = 0.1  # seconds: signals are not handled during a long wait

Crew = Callable[[Iterator[Job]], Generator[Receipt, None, None]]
"""Does videos: takes one whenever it has a free place, and yields the receipts as they come."""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The videos to do: those of `listed` that are in `shard`, with these `options` and the model of this SHA-256.

    Raises InputError for outputs that all videos would share, and if a result would replace another or a video.
    """

    options: RunOptions
    listed: VideoList
    shard: Shard
    receipts: Receipts
    model: str

    def __post_init__(self) -> None:
        checked_outputs(self.options.outputs)
        check_places(self.listed, self.options)

    def key(self, video: Video) -> str:
        """Return the key of a video's receipt."""
        return key_of(video, self._deciding)

    @cached_property
    def _deciding(self) -> Deciding:
        return Deciding.of(self.model, self.options)

    def places(self) -> set[Path]:
        """Return the folders that are written to."""
        videos = self.shard.of(self.listed.videos)
        places = {target.parent for video in videos for target in targets_of(video, self.options).values()}
        return {*places, self.receipts.folder}


@dataclass
class Tally:
    """The outcome of the videos of a run: `skipped` had a valid receipt, `failed` ended in an error."""

    done: int = 0
    skipped: int = 0
    frames: int = 0
    seconds: float = 0.0
    failed: dict[str, str] = field(default_factory=dict)


def one_by_one(options: RunOptions, runner: Runner, interrupts: Interrupts | None = None) -> Crew:
    """Return the crew of this process: `runner` does one video after the other."""

    def crew(jobs: Iterator[Job]) -> Generator[Receipt, None, None]:
        for job in jobs:
            yield done(job, options, runner, interrupts)

    return crew


def side_by_side(options: RunOptions, runners: Sequence[Runner], interrupts: Interrupts) -> Crew:
    """Return the crew of this process where there are several GPUs: each of `runners` does one video at a time."""

    def crew(jobs: Iterator[Job]) -> Generator[Receipt, None, None]:
        made: Queue[Receipt | BaseException | None] = Queue()
        heard = [Interrupts() for _ in runners]
        taking, over = Lock(), Event()

        def work(runner: Runner, own: Interrupts) -> None:
            try:
                while not over.is_set():
                    with taking:
                        job = next(jobs, None)
                    if job is None:
                        break
                    made.put(done(job, options, runner, own))
            except BaseException as error:
                made.put(error)
            made.put(None)

        def stop() -> None:
            over.set()
            for own in heard:
                own.pass_on()

        threads = [Thread(target=work, args=pair, daemon=True) for pair in zip(runners, heard, strict=True)]
        with interrupts.held():
            for thread in threads:
                thread.start()
            interrupts.take(stop, stop)
            at_work, failure = len(threads), None
            while at_work:
                with suppress(Empty):
                    found = made.get(timeout=_SHORT)
                    if isinstance(found, Receipt):
                        yield found
                    elif found is None:
                        at_work -= 1
                    else:
                        failure = failure or found
                        over.set()
        if failure:
            raise failure

    return crew


def run_fleet(
    fleet: Fleet, crew: Crew, progress: Progress = SILENT, on_failure: Callable[[str], None] = lambda _: None
) -> Tally:
    """Have `crew` do the videos of a share that have no valid receipt yet, and write a receipt for each.

    A result gets its name only when it is complete. A failing video is reported to `on_failure` in one line, gets a
    receipt that says so and is listed in `FAILED`; the next video follows. Raises InputError if the receipts cannot be
    written.
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
        with kept_threads(), closing(crew(jobs())) as made:
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
    """List the videos whose receipts say failed, of all shares: each share that ends updates the list."""
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
        with written(path):
            path.unlink(missing_ok=True)
