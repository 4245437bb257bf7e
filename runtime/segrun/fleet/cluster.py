"""The videos of a list on a Ray cluster: an actor a slot, each with its own pipeline. Ray is imported only here.

Only paths and receipts go through Ray. Its own retries are off: they would repeat a video that kills its process
forever.
"""

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before the import; otherwise it reports over the network

import ray

from segdata.cores import usable_cores
from segdata.errors import EdgeSegError, InputError
from segdata.text import one_line, short
from segrun.fleet.fleet import Crew
from segrun.fleet.job import Job, Slot, on_gpu
from segrun.fleet.receipt import Receipt
from segrun.options import RunOptions

LOCAL = "local"
"""Ray's word for a cluster on this machine only, for the time of the run."""

_TRIES = 3
_ANSWERS_WITHIN = 10  # seconds for a cluster to answer
_LOOKS_EVERY = 5.0  # seconds between two looks for new machines
_WAITS = 60  # seconds to wait for a machine, when all are lost
_GONE_WITHIN = 5  # seconds for an actor's process to end
_STORE = 75 * 2**20  # bytes, the least that Ray accepts: receipts are a few hundred


@contextmanager
def cluster(options: RunOptions) -> Iterator[None]:
    """Connect to the Ray cluster of the options for the block; start one for `LOCAL`.

    Ray's own output is hidden. Raises InputError if no cluster answers there.
    """
    address = options.ray or LOCAL
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    own: dict[str, Any] = {}
    if address == LOCAL:
        cores = max(usable_cores(), options.cpus_per_video)  # room for at least one slot
        own = {"num_cpus": cores, "include_dashboard": False, "object_store_memory": _STORE}
    else:
        _check_answers(address)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123 - no file
        try:
            try:
                ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, **own)
            except (OSError, RuntimeError, ValueError) as error:
                raise EdgeSegError(f"got --ray {address}, which cannot be used: {one_line(str(error))}") from error
            if main:
                signal.signal(signal.SIGTERM, handler)  # Ray has its own
            yield
        finally:
            ray.shutdown()


def _check_answers(address: str) -> None:
    """Raise InputError if no Ray answers at an address: Ray itself would try for minutes, with much output."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        answers = not subprocess.run(command, capture_output=True, timeout=_ANSWERS_WITHIN, check=False).returncode
    except subprocess.TimeoutExpired:
        answers = False
    if not answers:
        raise InputError(
            f"got --ray {address}, where no Ray cluster answers; need HOST:PORT as `ray start --head` says, or auto, "
            "and the RAY_AUTH_TOKEN of a cluster that asks for one"
        )


def _need(options: RunOptions) -> dict[str, int]:
    """Return the resources of a machine that one slot takes, in Ray's terms."""
    return {"CPU": options.cpus_per_video, "GPU": 1} if on_gpu(options) else {"CPU": options.cpus_per_video}


def _room(options: RunOptions) -> int:
    """Return how many slots the present machines have."""
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(min(int(each.get(kind, 0)) // count for kind, count in _need(options).items()) for each in there)


def slots(options: RunOptions) -> Crew:
    """Return the crew of the cluster that this process is connected to: an actor for each slot there is room for.

    A video whose process or machine is lost is done again, `_TRIES` times in all; then its receipt says so. Raises
    InputError if no machine has room for a slot, EdgeSegError if none can be opened or all machines are lost.
    """

    def crew(jobs: Iterator[Job]) -> Generator[Receipt, None, None]:
        if not _room(options):
            words = " and ".join(f"{count} {kind}" for kind, count in _need(options).items())
            raise InputError(f"no machine of the Ray cluster has {words}, which a video takes; see --cpus-per-video")
        driver = _Driver(options, jobs)
        try:
            yield from driver.receipts()
        finally:
            driver.dismiss()

    return crew


@dataclass
class _Worker:
    """An actor as the driver sees it: its machine and process, once its slot is open, and its video."""

    actor: Any
    machine: str = ""
    process: int = 0
    job: Job | None = None


class _Driver:
    def __init__(self, options: RunOptions, jobs: Iterator[Job]) -> None:
        self._options, self._jobs = options, jobs
        self._waiting: deque[Job] = deque()
        self._lost: Counter[str] = Counter()
        self._never_opened = 0
        self._workers: dict[Any, _Worker] = {}  # those opening a slot or doing a video, by the reference of the answer
        self._idle: list[_Worker] = []

    def receipts(self) -> Generator[Receipt, None, None]:
        room_at = time.monotonic()
        while True:
            room = _room(self._options)
            self._set_to_work(room)
            if not self._waiting and not any(worker.job for worker in self._workers.values()):
                return
            if room:
                room_at = time.monotonic()
            elif time.monotonic() - room_at > _WAITS:
                raise EdgeSegError("all machines of the Ray cluster are lost; the same command does what is left")
            if self._never_opened > _TRIES * max(1, room):
                raise EdgeSegError("the processes of --ray end before they have opened the model; see Ray's logs")
            if self._workers:
                answered, _ = ray.wait(list(self._workers), timeout=_LOOKS_EVERY)
                for answer in answered:
                    yield from self._heard(answer)
            else:
                time.sleep(1)

    def _set_to_work(self, room: int) -> None:
        """Give each free actor a video, and start more where there is room; those get one once they are open."""
        while len(self._waiting) < max(1, room) and (job := next(self._jobs, None)):
            self._waiting.append(job)
        while self._waiting and self._idle:
            worker = self._idle.pop()
            worker.job = self._waiting.popleft()
            self._workers[worker.actor.do.remote(worker.job, self._lost[worker.job.key] > 0)] = worker
        opening = sum(worker.job is None for worker in self._workers.values())
        for _ in range(min(len(self._waiting) - opening, room - len(self._workers))):
            need = _need(self._options)
            kind = ray.remote(num_cpus=need["CPU"], num_gpus=need.get("GPU", 0), max_restarts=0)(Slot)
            worker = _Worker(kind.remote(self._options, str(Path.cwd())))
            self._workers[worker.actor.open.remote()] = worker

    def _heard(self, answer: Any) -> Generator[Receipt, None, None]:  # noqa: ANN401 - a reference of Ray's
        worker = self._workers.pop(answer)
        try:
            said = ray.get(answer)
        except ray.exceptions.RayError as error:
            if isinstance(error, ray.exceptions.RayTaskError) and isinstance(error.cause, EdgeSegError):
                raise error.cause from None
            yield from self._without(worker, error)
            return
        if worker.job is None:
            worker.machine, worker.process = said
            self._never_opened = 0
        else:
            worker.job = None
            yield said
        self._idle.append(worker)

    def _without(self, worker: _Worker, error: Exception) -> Generator[Receipt, None, None]:
        """Continue without a lost actor."""
        _end(worker)
        if worker.job is None:
            self._never_opened += 1
            return
        self._lost[worker.job.key] += 1
        if self._lost[worker.job.key] < _TRIES:
            self._waiting.appendleft(worker.job)
            return
        video, reason = worker.job.video, re.search(r"because (its [\w ]+)", str(error))
        why = reason[1] if reason else short(str(error))
        yield Receipt(
            video=video.below + video.path.suffix,
            key=worker.job.key,
            state="failed",
            outputs=(),
            frames_read=0,
            frames_shown=0,
            corrupt_packets=0,
            seconds=0.0,
            exit_code=EdgeSegError.exit_code,
            error=f"{video.path}: the process that did it was lost {_TRIES} times ({why})",
            host=worker.machine,
        )

    def dismiss(self) -> None:
        """End the actors; those on this machine have released everything when this returns."""
        workers = [*self._workers.values(), *self._idle]
        for worker in workers:
            _end(worker)
        here = [worker.process for worker in workers if worker.machine == socket.gethostname()]
        until = time.monotonic() + _GONE_WITHIN
        while any(map(_lives, here)) and time.monotonic() < until:
            time.sleep(0.02)


def _end(worker: _Worker) -> None:
    with suppress(ray.exceptions.RayError):
        ray.kill(worker.actor)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True
