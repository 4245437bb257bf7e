"""A place on a machine of a cluster, with a process of its own, that does one video at a time."""

import os
import socket

from segdata.cores import hold_cores
from segdata.errors import EdgeSegError, InputError
from segrun.fleet.job import Job, done, targets_of
from segrun.fleet.receipt import Receipt
from segrun.fleet.staging import sweep
from segrun.options import RunOptions
from segrun.runners.open import open_runner


def on_gpu(options: RunOptions) -> bool:
    """Return whether a slot has a GPU to itself: for engines, which need one."""
    return options.model is not None and options.model.suffix.lower() == ".engine"


class Slot:
    """Lives in that process. `folder` is the one that paths are relative to, on all machines."""

    def __init__(self, options: RunOptions, folder: str) -> None:
        self._options, self._folder = options, folder

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
            self._runner = open_runner(
                options.model, options.runner, trust=options.trust, throughput=True, arithmetic=options.arithmetic
            )
        except EdgeSegError as error:
            raise type(error)(f"on {here}: {error}") from None
        return here, os.getpid()

    def do(self, job: Job, again: bool) -> Receipt:
        """Do a video; `again` after a process was lost with it, which may have left something."""
        if again:
            sweep(target.parent for target in targets_of(job.video, self._options).values())
        return done(job, self._options, self._runner)
