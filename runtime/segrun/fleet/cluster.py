"""The videos of a list on a Ray cluster: an actor a slot, each with a pipeline of its own. Only here is Ray imported.

What goes through Ray are paths and receipts. Nothing is left to its own retries: they do a video that kills its process
again and again.
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

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before the import; else it reports over the network

import ray

from segdata.cores import usable_cores
from segdata.errors import EdgeSegError, InputError
from segdata.text import one_line, short
from segrun.fleet.fleet import Crew
from segrun.fleet.job import Job
from segrun.fleet.receipt import Receipt
from segrun.fleet.slot import Slot, on_gpu
from segrun.options import RunOptions

LOCAL = "local"
"""Ray's word for a cluster of this machine alone, for as long as the run takes."""

_TRIES = 3
_ANSWERS_WITHIN = 10  # seconds, in which a cluster must say that it is there
_LOOKS_EVERY = 5.0  # seconds, for machines that came
_WAITS = 60  # seconds for a machine, when all are lost
_GONE_WITHIN = 5  # seconds, in which an actor's process ends
_STORE = 75 * 2**20  # bytes, the least that Ray takes: receipts are some hundred


@contextmanager
def cluster(options: RunOptions) -> Iterator[None]:
    """Be connected to the Ray cluster of the options in the block; start one if it is to be `LOCAL`.

    Ray's own words are not heard. Raises InputError if nobody answers there.
    """
    address = options.ray or LOCAL
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    own: dict[str, Any] = {}
    if address == LOCAL:
        cores = max(usable_cores(), options.cpus_per_video)  # room for one slot at least
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
    """Raise InputError if there is no Ray at an address: Ray itself would try for minutes, in many words."""
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
    """Return what one slot takes of a machine, in Ray's words."""
    return {"CPU": options.cpus_per_video, "GPU": 1} if on_gpu(options) else {"CPU": options.cpus_per_video}


def _room(options: RunOptions) -> int:
    """Return how many slots the machines have that are there now."""
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(min(int(each.get(kind, 0)) // count for kind, count in _need(options).items()) for each in there)


def slots(options: RunOptions) -> Crew:
    """Return the crew of the cluster that this process is connected to: an actor for each slot that it has room for.

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
class _Hand:
    """An actor as the driver knows it: where it is, once its slot is open, and the video it does."""

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
        self._hands: dict[Any, _Hand] = {}  # that open, or do a video, by what will hold their answer
        self._idle: list[_Hand] = []

    def receipts(self) -> Generator[Receipt, None, None]:
        room_at = time.monotonic()
        while True:
            room = _room(self._options)
            self._set_to_work(room)
            if not self._waiting and not any(hand.job for hand in self._hands.values()):
                return
            if room:
                room_at = time.monotonic()
            elif time.monotonic() - room_at > _WAITS:
                raise EdgeSegError("all machines of the Ray cluster are lost; the same command does what is left")
            if self._never_opened > _TRIES * max(1, room):
                raise EdgeSegError("the processes of --ray end before they have opened the model; see Ray's logs")
            if self._hands:
                answered, _ = ray.wait(list(self._hands), timeout=_LOOKS_EVERY)
                for answer in answered:
                    yield from self._heard(answer)
            else:
                time.sleep(1)

    def _set_to_work(self, room: int) -> None:
        """Give each slot a video, and open more where there is room: an actor that has no place yet holds no video."""
        while len(self._waiting) < max(1, room) and (job := next(self._jobs, None)):
            self._waiting.append(job)
        while self._waiting and self._idle:
            hand = self._idle.pop()
            hand.job = self._waiting.popleft()
            self._hands[hand.actor.do.remote(hand.job, self._lost[hand.job.key] > 0)] = hand
        opening = sum(hand.job is None for hand in self._hands.values())
        for _ in range(min(len(self._waiting) - opening, room - len(self._hands))):
            need = _need(self._options)
            kind = ray.remote(num_cpus=need["CPU"], num_gpus=need.get("GPU", 0), max_restarts=0)(Slot)
            hand = _Hand(kind.remote(self._options, str(Path.cwd())))
            self._hands[hand.actor.open.remote()] = hand

    def _heard(self, answer: Any) -> Generator[Receipt, None, None]:  # noqa: ANN401 - a reference of Ray's
        hand = self._hands.pop(answer)
        try:
            said = ray.get(answer)
        except ray.exceptions.RayError as error:
            if isinstance(error, ray.exceptions.RayTaskError) and isinstance(error.cause, EdgeSegError):
                raise error.cause from None
            yield from self._without(hand, error)
            return
        if hand.job is None:
            hand.machine, hand.process = said
            self._never_opened = 0
        else:
            hand.job = None
            yield said
        self._idle.append(hand)

    def _without(self, hand: _Hand, error: Exception) -> Generator[Receipt, None, None]:
        """Go on without an actor that is lost."""
        _end(hand)
        if hand.job is None:
            self._never_opened += 1
            return
        self._lost[hand.job.key] += 1
        if self._lost[hand.job.key] < _TRIES:
            self._waiting.appendleft(hand.job)
            return
        video, reason = hand.job.video, re.search(r"because (its [\w ]+)", str(error))
        why = reason[1] if reason else short(str(error))
        yield Receipt(
            video=video.below + video.path.suffix,
            key=hand.job.key,
            state="failed",
            outputs=(),
            frames_read=0,
            frames_shown=0,
            corrupt_packets=0,
            seconds=0.0,
            exit_code=EdgeSegError.exit_code,
            error=f"{video.path}: the process that did it was lost {_TRIES} times ({why})",
            host=hand.machine,
        )

    def dismiss(self) -> None:
        """End the actors; those of this machine are gone afterwards, and hold nothing."""
        hands = [*self._hands.values(), *self._idle]
        for hand in hands:
            _end(hand)
        here = [hand.process for hand in hands if hand.machine == socket.gethostname()]
        until = time.monotonic() + _GONE_WITHIN
        while any(map(_lives, here)) and time.monotonic() < until:
            time.sleep(0.02)


def _end(hand: _Hand) -> None:
    with suppress(ray.exceptions.RayError):
        ray.kill(hand.actor)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True
