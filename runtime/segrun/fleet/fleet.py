"""A list of videos, one after the other, with a receipt for each: what is done stays done, what failed is named."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from segdata.errors import EdgeSegError, InputError
from segdata.files import sha256_of
from segdata.progress import SILENT, Progress
from segdata.text import one_line
from segrun.fleet.receipt import Made, Receipt, Receipts, key_of, made_of, synced
from segrun.fleet.shard import Shard
from segrun.fleet.staging import published, staging, sweep
from segrun.fleet.videos import ROOT, Video, VideoList, twins
from segrun.interrupt import Interrupts
from segrun.options import RunOptions
from segrun.pipeline.account import RunReport
from segrun.run import run
from segrun.runners.base import Runner

FAILED = "failed.txt"
"""In the folder of receipts: the videos that failed, a path a line; `--from` reads it."""


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


def run_fleet(
    options: RunOptions,
    listed: VideoList,
    shard: Shard,
    receipts: Receipts,
    runner: Runner,
    progress: Progress = SILENT,
    *,
    on_failure: Callable[[str], None] = lambda _: None,
    interrupts: Interrupts | None = None,
) -> Tally:
    """Segment the videos of a share that have no valid receipt yet, with `runner`, and leave a receipt for each.

    A result has its name only when it is whole. A video that fails is told to `on_failure` in one line, gets a receipt
    that says so, and is listed in `FAILED`; the next has its turn. Raises InputError if two videos would have one
    result, or the receipts cannot be written.
    """
    for one, other in twins(listed.videos):
        raise InputError(f"got {one.path} and {other.path}, whose results would have one name; rename one of them")
    checked_outputs(options.outputs)
    mine, tally = shard.of(listed.videos), Tally()
    model = runner.weights if options.model is None else sha256_of(options.model)
    places = {target.parent for video in mine for target in _targets(options, video).values()}
    sweep([*places, receipts.folder])
    progress.start(len(mine))
    begun = time.perf_counter()
    for video in mine:
        key = key_of(video, model, options)
        receipt = receipts.read(key)
        if receipt is not None and receipt.still_holds():
            tally.skipped += 1
        else:
            receipt = _done(video, key, options, runner, interrupts)
            receipts.write(receipt)
            tally.frames += receipt.frames_shown
            tally.done += receipt.state == "done"
        if receipt.error:
            tally.failed[str(video.path)] = receipt.error
            on_failure(receipt.error)
        progress.advance(f"{tally.frames / (time.perf_counter() - begun):.0f} FPS")
    tally.seconds = time.perf_counter() - begun
    sweep([*places, receipts.folder])
    _list_failed(receipts, listed, model, options)
    return tally


def _done(video: Video, key: str, options: RunOptions, runner: Runner, interrupts: Interrupts | None) -> Receipt:
    """Do one video; return its receipt, of success or of failure."""
    start = time.perf_counter()
    report: RunReport | None = None
    outputs: tuple[Made, ...] = ()
    error: Exception | None = None
    try:
        if not video.path.is_file():
            raise InputError(f"{video.path}: no such file; remove it from the list, or bring it back")
        report, outputs = _segmented(video, options, runner, interrupts)
    except Exception as problem:  # whatever it is, it must not keep the next video from its turn
        error = problem
    said = "" if error is None else one_line(str(error) or type(error).__name__)
    code = 0 if error is None else getattr(error, "exit_code", EdgeSegError.exit_code)
    if report is not None and report.corrupt_packets and error is None:
        said, code = f"{video.path}: {report.corrupt_packets} packets could not be decoded; the rest is complete", 7
    return Receipt(
        video=video.below + video.path.suffix,
        key=key,
        state="done" if error is None else "failed",
        outputs=outputs,
        frames_read=report.frames_read if report else 0,
        frames_shown=report.frames_shown if report else 0,
        corrupt_packets=report.corrupt_packets if report else 0,
        seconds=round(time.perf_counter() - start, 3),
        exit_code=code,
        error=said,
        host=socket.gethostname(),
    )


def _segmented(
    video: Video, options: RunOptions, runner: Runner, interrupts: Interrupts | None
) -> tuple[RunReport, tuple[Made, ...]]:
    """Segment a video into hidden folders, and move the results to their places once all of them are whole."""
    targets = _targets(options, video)
    with ExitStack() as stack:
        staged = {}
        for name, target in targets.items():
            folder = stack.enter_context(staging(target)) / "result"
            staged[target] = folder / target.name
            if name.endswith(("/", os.sep)):
                staged[target].mkdir(parents=True)
            else:
                folder.mkdir()
        names = tuple(f"{path}/" if path.is_dir() else str(path) for path in staged.values()) or ("none",)
        one = replace(options, inputs=(str(video.path),), outputs=names)
        report = run(one, runner, interrupts=interrupts)
        if report.interrupted:
            raise KeyboardInterrupt
        for path in staged.values():
            synced(path)
        for target, path in staged.items():
            published(path, target)
    return report, tuple(made_of(target) for target in targets.values())


def _targets(options: RunOptions, video: Video) -> dict[str, Path]:
    """Return where the results of a video go, by their names."""
    names = [output.replace("{path}", video.below).replace("{name}", video.path.stem) for output in options.outputs]
    return {name: Path(name) for name in names if name != "none"}


def _list_failed(receipts: Receipts, listed: VideoList, model: str, options: RunOptions) -> None:
    """Write the list of those of all videos whose receipt says failed: shares that end later complete it."""
    failed = []
    for video in listed.videos:
        receipt = receipts.read(key_of(video, model, options))
        if receipt is not None and receipt.state == "failed":
            failed.append(str(video.path.absolute()))
    path = receipts.folder / FAILED
    if failed:
        with staging(path) as folder:
            lines = [f"{ROOT}{listed.root.absolute()}", *failed]
            (folder / FAILED).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            published(folder / FAILED, path)
    else:
        path.unlink(missing_ok=True)
