"""Threads for the stages of a run, which many runs, one after the other, can share.

OpenCV keeps almost a kilobyte of each thread that used it until the process ends
(https://github.com/opencv/opencv/issues/19727): with new threads for each of 10,000 videos that is 17 MB.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue


class Work:
    """The task of an idle thread; it is started and joined like a thread."""

    def __init__(self, do: Callable[[], None], name: str) -> None:
        self.do, self.name = do, name
        self.done = threading.Event()

    def start(self) -> None:
        """Begin, in an idle thread or else a new one."""
        try:
            worker = _idle.pop()
        except IndexError:
            worker = _Worker()
            worker.start()
        worker.works.put(self)

    def is_alive(self) -> bool:
        """Return whether it is not done yet."""
        return not self.done.is_set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until it is done, at most `timeout` seconds."""
        self.done.wait(timeout)


def stage(do: Callable[[], None], name: str) -> threading.Thread | Work:
    """Return a task that does `do` in the background once it is started; the process can end without it."""
    return Work(do, name) if _blocks else threading.Thread(target=do, name=name, daemon=True)


def join(
    thread: threading.Thread | Work, until: Callable[[], bool] = lambda: False, patience: float = math.inf
) -> None:
    """Wait for a thread, or until `until`; at most `patience` seconds if it may be stuck."""
    give_up = time.perf_counter() + patience
    while thread.is_alive() and not until() and time.perf_counter() < give_up:
        thread.join(0.1)


@contextmanager
def kept_threads() -> Iterator[None]:
    """Keep the threads of runs within the block for the next run, until the block ends."""
    _blocks.append(None)
    try:
        yield
    finally:
        _blocks.pop()
        while not _blocks and _idle:
            worker = _idle.pop()
            worker.works.put(None)
            worker.join()


class _Worker(threading.Thread):
    """Does one task after the other, within `kept_threads`; an exception ends it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.works: SimpleQueue[Work | None] = SimpleQueue()

    def run(self) -> None:
        while work := self.works.get():
            self.name = work.name
            try:
                work.do()
                if _blocks:
                    _idle.append(self)  # before it is reported as done: the next task can then have this thread
                else:
                    self.works.put(None)
            finally:
                work.done.set()
            del work  # and the frames that it holds


_blocks: list[None] = []
_idle: list[_Worker] = []
