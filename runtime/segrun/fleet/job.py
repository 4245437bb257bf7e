"""One video of a list: its results are written under hidden names and moved into place; its receipt tells the rest.

On a cluster a slot does it: a place on a machine, with its own process.
"""

import os
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace

from segdata.command_line.interrupt import Interrupts
from segdata.cores import hold_cores
from segdata.errors import EdgeSegError, InputError
from segdata.text import one_line
from segrun.fleet.places import check_replaceable, is_folder, targets_of
from segrun.fleet.receipt import Made, Receipt, made_of, synced
from segrun.fleet.staging import published, staging, sweep
from segrun.fleet.videos import Video
from segrun.options import RunOptions
from segrun.pipeline.account import RunReport
from segrun.pipeline.threads import kept_threads
from segrun.run import run
from segrun.runners.base import Runner
from segrun.runners.open import runner_for


@dataclass(frozen=True)
class Job:
    """A video to do, and the key of its receipt."""

    video: Video
    key: str


def done(job: Job, options: RunOptions, runner: Runner, interrupts: Interrupts | None = None) -> Receipt:
    """Do one video; return its receipt, whether it succeeded or failed. Raises KeyboardInterrupt after Ctrl-C."""
    video, start = job.video, time.perf_counter()
    report: RunReport | None = None
    outputs: tuple[Made, ...] = ()
    error: Exception | None = None
    try:
        if not video.path.is_file():
            raise InputError(f"{video.path}: no such file; remove it from the list, or bring it back")
        report, outputs = _segmented(video, options, runner, interrupts)
    except Exception as problem:  # an error must not stop the next video
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
    """Segment a video into hidden folders, and move the results into place once all of them are complete."""
    targets = targets_of(video, options)
    with ExitStack() as stack:
        staged = {}
        for name, target in targets.items():
            if is_folder(name):
                check_replaceable(target)
            folder = stack.enter_context(staging(target)) / "result"
            staged[target] = folder / target.name
            if is_folder(name):
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


def on_gpu(options: RunOptions) -> bool:
    """Return whether a slot has a GPU to itself: for engines, which need one."""
    return options.model is not None and options.model.suffix.lower() == ".engine"


class Slot:
    """Runs in that process. Paths are relative to `folder`, on all machines."""

    def __init__(self, options: RunOptions, folder: str) -> None:
        self._options, self._folder = options, folder
        self._threads = kept_threads()

    def open(self) -> tuple[str, int]:
        """Open the model; return the machine and the process. Raises EdgeSegError if that cannot be done here."""
        options, here = self._options, socket.gethostname()
        try:
            os.chdir(self._folder)
        except OSError:
            raise InputError(f"{here} has no {self._folder}; run where all machines see the same folders") from None
        if not on_gpu(options):
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        hold_cores(options.cpus_per_video)
        try:
            self._runner = runner_for(options, throughput=True)
        except EdgeSegError as error:
            raise type(error)(f"on {here}: {error}") from None
        self._threads.__enter__()  # until the process ends
        return here, os.getpid()

    def do(self, job: Job, again: bool) -> Receipt:
        """Do a video; `again` if a process was lost while it did this one, since it may have left files."""
        if again:
            sweep(target.parent for target in targets_of(job.video, self._options).values())
        return done(job, self._options, self._runner)
