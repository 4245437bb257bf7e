"""A GPU that is not there, with pycuda's surface, that takes every liberty a real one may take.

What is enqueued takes effect late: copies and kernels run in any order that streams and events allow, which a seed
chooses, or (`lazy`) not before someone waits for them. Until then what they write is garbage. A copy reads its source
when it runs, not when it was enqueued. What a program must not do raises Violation, and `check_clean` raises it again:
use of freed or pageable memory, of another thread or a context that is not current, memory freed while in use, anything
left over at the end, anything allocated after `forbid_allocation`.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from threading import get_ident
from types import SimpleNamespace
from typing import Any

import numpy as np


class Violation(AssertionError):  # noqa: N818 - the program's error, not ours
    """The program did something that works on a real GPU only by luck, or not at all."""


@dataclass(eq=False)
class Memory:
    """Bytes on either side. `live` until freed."""

    name: str
    content: np.ndarray
    live: bool = True


@dataclass(eq=False)
class Work:
    """A copy, a kernel, an event's record or a wait for one."""

    run: Callable[[], None]
    reads: tuple[Memory, ...] = ()
    writes: tuple[Memory, ...] = ()
    user: object = None  # the execution context that is busy with it
    ready: Callable[[], bool] = lambda: True
    poisoned: bool = False


@dataclass(eq=False)
class Queue:
    """A stream's work, in order, and the graph that it is recorded to instead, if one is being captured."""

    context: object
    work: deque[Work] = field(default_factory=deque)
    capture: list[Callable[[], Work]] | None = None


class Simulation:
    """One simulated GPU. `driver` is its pycuda.driver.

    `fail_at` has the n-th call raise; `sticky` each one after it too, as after a fault in a kernel: the device is dead
    then. A call that frees something does so even if it raises.
    """

    def __init__(self, seed: int = 0, lazy: bool = False, fail_at: int | None = None, sticky: bool = False) -> None:
        self.random = np.random.default_rng(seed)
        self.haste = 0 if lazy else self.random.uniform(0, 0.9)  # how likely work is to go on in between
        self.fail_at, self.sticky = fail_at, sticky
        self.calls = 0
        self.dead = False
        self.failed_in: str | None = None
        self.allocation_allowed = True
        self.compute_capability = (7, 5)
        self.number = 0  # of the two GPUs that the machine has
        self.left: dict[int, tuple[str, object]] = {}  # what was made and not freed, and its context
        self.stack: list[Any] = []  # contexts, the current one last
        self.memory: dict[int, Memory] = {}  # by device address
        self.queues: dict[int, Queue] = {}  # by stream handle
        self.violations: list[str] = []
        self.compiled = 0  # how often TensorRT-RTX compiled kernels
        self.told = False  # a call has failed, so that the program can know
        self.printed: list[str] = []  # on stderr, by pycuda, after that
        self.keys = count(1)
        from helpers.simulated_pycuda import driver_of

        self.driver: SimpleNamespace = driver_of(self)

    def violation(self, text: str) -> Violation:
        self.violations.append(text)
        return Violation(text)

    def check_clean(self) -> None:
        """Raise Violation if something forbidden was done, something is left, or pycuda reported a lost context.

        Objects of a lost context are gone with it.
        """
        if self.stack:
            self.violations.append("a context is still current")
        if self.dead:
            self.violations.extend(f"pycuda wrote: {line}" for line in self.printed)
        else:
            self.violations.extend(f"{name} was not freed" for name, _ in self.left.values())
        if self.violations:
            raise Violation("; ".join(self.violations))

    def forbid_allocation(self) -> None:
        """From now on, any allocation is a Violation."""
        self.allocation_allowed = False

    def make(self, name: str) -> int:
        """Note that something was made, and return its key."""
        if not self.allocation_allowed:
            raise self.violation(f"{name} was made after the start")
        key = next(self.keys) * 4096
        self.left[key] = name, self.stack[-1] if self.stack else None
        return key

    def drop(self, key: int) -> None:
        self.left.pop(key, None)

    def fails(self, name: str, frees: bool = False) -> bool:
        """Count a call, let some work happen, and return whether this call must fail."""
        self.calls += 1
        if self.dead:
            self.told |= not frees
            return True
        if self.calls == self.fail_at:
            self.told |= not frees
            self.failed_in = name
            # A context that cannot be made current is lost, and so is all that needs it.
            if self.sticky or name == "Context.push":
                self.die()
            return True
        if not frees:
            while self.random.random() < self.haste and self.step():
                pass
        return False

    def die(self) -> None:
        self.dead = True
        for queue in self.queues.values():
            queue.work.clear()

    def require_current(self, what: str, owner: object = None) -> None:
        """Whoever makes or uses something needs its context current, in the thread that made it current."""
        if self.dead and not self.stack:
            return  # a lost context cannot be made current: the call will fail
        if not self.stack:
            raise self.violation(f"{what} without a current context")
        if owner is not None and owner is not self.stack[-1]:
            raise self.violation(f"{what} belongs to another context than the current one")
        if self.stack[-1].user != get_ident():
            raise self.violation(f"{what} in another thread than the one where the context is current")

    def busy(self, context: object) -> bool:
        """Whether there is work in any stream of a context."""
        return any(queue.work for queue in self.queues.values() if queue.context is context)

    def pending(self, memory: Memory) -> bool:
        return any(memory in (*work.reads, *work.writes) for queue in self.queues.values() for work in queue.work)

    def enqueue(self, handle: int, make: Callable[[], Work]) -> None:
        """Put work on a stream, or in the graph that is being captured there."""
        queue = self.queues[handle]
        if queue.capture is not None:
            queue.capture.append(make)
            return
        work = make()
        for memory in (*work.reads, *work.writes):
            if not memory.live:
                raise self.violation(f"{memory.name} is used after it was freed")
        for other, others in self.queues.items():
            if work.user is not None and other != handle and any(work.user == each.user for each in others.work):
                raise self.violation("an execution context is used in two streams at once")
        if not any(map(self.pending, work.writes)):
            self.poison(work)
        queue.work.append(work)

    def poison(self, work: Work) -> None:
        """Fill the memory that the work will write with garbage, as soon as no earlier work needs it."""
        for memory in work.writes:
            memory.content[...] = self.random.integers(0, 256, memory.content.shape)
        work.poisoned = True

    def step(self) -> bool:
        """Take one step in some stream: poison the target, or write it. Returns False if nothing can happen."""
        ready = [queue for queue in self.queues.values() if queue.work and queue.work[0].ready()]
        if not ready:
            return False
        queue = ready[self.random.integers(len(ready))]
        work = queue.work[0]
        if not work.poisoned and work.writes:
            self.poison(work)
        else:
            queue.work.popleft()
            work.run()
        return True

    def finish(self, done: Callable[[], bool]) -> None:
        """Let work happen, in some legal order, until `done`."""
        while not done() and not self.dead:
            if not self.step():
                raise self.violation("waits for what can never happen")
