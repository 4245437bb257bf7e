"""One video of a list: its results come into being under hidden names, and what is said of it is a receipt."""

import os
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from segdata.errors import EdgeSegError, InputError
from segdata.text import one_line
from segrun.fleet.receipt import Made, Receipt, made_of, synced
from segrun.fleet.staging import published, staging
from segrun.fleet.videos import Video
from segrun.interrupt import Interrupts
from segrun.options import RunOptions
from segrun.pipeline.account import RunReport
from segrun.run import run
from segrun.runners.base import Runner


@dataclass(frozen=True)
class Job:
    """A video that is to be done, and the key of its receipt."""

    video: Video
    key: str


def done(job: Job, options: RunOptions, runner: Runner, interrupts: Interrupts | None = None) -> Receipt:
    """Do one video; return its receipt, of success or of failure. Raises KeyboardInterrupt if that ended it."""
    video, start = job.video, time.perf_counter()
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
        key=job.key,
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
    targets = targets_of(video, options)
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


def targets_of(video: Video, options: RunOptions) -> dict[str, Path]:
    """Return where the results of a video go, by their names."""
    names = [output.replace("{path}", video.below).replace("{name}", video.path.stem) for output in options.outputs]
    return {name: Path(name) for name in names if name != "none"}
