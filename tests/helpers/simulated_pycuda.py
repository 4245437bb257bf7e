"""pycuda.driver 2026.1, as far as the runner uses it, on the simulated device."""

from collections.abc import Callable
from functools import wraps
from threading import get_ident
from types import SimpleNamespace
from typing import Any

import numpy as np

from helpers.simulated_device import Memory, Queue, Simulation, Work


class Error(Exception):
    """pycuda.driver.Error."""


class LogicError(Error):
    """pycuda.driver.LogicError."""


class OutOfMemoryError(Error):
    """pycuda.driver.MemoryError."""


def native(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function raise like one written in C: without a frame that keeps its arguments alive."""

    @wraps(function)
    def outer(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        try:
            return function(*arguments, **named)
        except Error as error:
            failure = error.with_traceback(None)
        del arguments, named
        raise failure

    return outer


def driver_of(simulation: Simulation) -> SimpleNamespace:
    """Return the module for one simulated device."""

    def call(name: str, frees: bool = False, error: type[Error] = LogicError) -> None:
        if simulation.fails(name, frees):
            raise error(f"{name} failed: an injected\nfailure")

    class Context:
        def __init__(self) -> None:
            self.thread = self.user = get_ident()
            self.is_valid = True
            self.key = simulation.make("a context")
            simulation.left[self.key] = "a context", None

        def push(self) -> None:
            if simulation.stack and simulation.stack[-1].user != get_ident():
                raise simulation.violation("two threads use the device at once")
            if self.key not in simulation.left:
                raise simulation.violation("a context is pushed after it was detached")
            call("Context.push")
            self.user = get_ident()
            simulation.stack.append(self)

        @staticmethod
        def pop() -> None:
            simulation.require_current("Context.pop")
            simulation.stack.pop()
            call("Context.pop", frees=True)

        @staticmethod
        def synchronize() -> None:
            simulation.require_current("Context.synchronize")
            call("Context.synchronize")
            current = simulation.stack[-1]
            simulation.finish(lambda: not simulation.busy(current))

        def detach(self) -> None:
            if not self.is_valid:
                raise LogicError("cannot detach from invalid context")
            self.is_valid = False
            if self.thread != get_ident():
                if simulation.dead:  # it is forgotten, and CUDA is not asked
                    simulation.drop(self.key)
                    return
                raise simulation.violation("a context is detached in another thread than its own: pycuda leaks it")
            if simulation.busy(self):
                simulation.violation("a context is detached while work is under way")
            others = [name for name, context in simulation.left.values() if context is self]
            if others and not simulation.dead:
                simulation.violation(f"a context is detached with {', '.join(others)} left")
            if simulation.stack and simulation.stack[-1] is self:
                simulation.stack.pop()
            simulation.drop(self.key)
            if simulation.fails("Context.detach", frees=True) and simulation.told:
                simulation.printed.append("a context cannot be detached")

    class Device:
        def __init__(self, ordinal: int) -> None:
            call("Device")
            assert ordinal == simulation.number

        @staticmethod
        def count() -> int:
            return 2

        def name(self) -> str:
            call("Device.name")
            return "Simulated GTX 1660 Ti"

        def pci_bus_id(self) -> str:
            call("Device.pci_bus_id")
            return f"0000:{simulation.number + 1:02}:00.0"

        def compute_capability(self) -> tuple[int, int]:
            call("Device.compute_capability")
            return simulation.compute_capability

        def make_context(self) -> Context:
            call("Device.make_context")
            made = Context()
            simulation.stack.append(made)
            return made

    class Owned:
        """An object that belongs to the context it was made in."""

        def __init__(self, what: str) -> None:
            simulation.require_current(what)
            self.what = what
            self.context = simulation.stack[-1]
            self.key = simulation.make(what)

        def require_current(self, what: str) -> None:
            simulation.require_current(f"{what} of {self.what}", self.context)

    class Allocation(Owned):
        def __init__(self, what: str, content: np.ndarray) -> None:
            super().__init__(what)
            content[...] = simulation.random.integers(0, 256, content.shape)
            self.memory = Memory(what, content)

        def free(self) -> None:
            """Free it; like pycuda, print CUDA's error to stderr, unless the context is gone."""
            if not self.memory.live:
                raise simulation.violation(f"{self.what} is freed twice")
            if simulation.pending(self.memory):
                simulation.violation(f"{self.what} is freed while work is under way on it")
            self.memory.live = False
            self.memory.content[...] = simulation.random.integers(0, 256, self.memory.content.shape)
            simulation.drop(self.key)
            refused = self.context.is_valid and simulation.fails(f"{type(self).__name__}.free", frees=True)
            if refused and simulation.told:
                simulation.printed.append(f"{self.what} cannot be freed")

    class DeviceAllocation(Allocation):
        def __init__(self, size: int) -> None:
            super().__init__("device memory", np.empty(size, np.uint8))
            simulation.memory[self.key] = self.memory

        def __int__(self) -> int:
            return self.key

    class PagelockedHostAllocation(Allocation):
        """The base of a page-locked array."""

        def __init__(self, content: np.ndarray) -> None:
            super().__init__("page-locked memory", content)
            self.__array_interface__ = content.__array_interface__

    class Stream(Owned):
        def __init__(self) -> None:
            call("Stream")
            super().__init__("a stream")
            self.handle = self.key
            simulation.queues[self.handle] = Queue(self.context)

        @native
        def synchronize(self) -> None:
            self.require_current("synchronize")
            call("Stream.synchronize")
            if simulation.queues[self.handle].capture is not None:
                raise LogicError("operation not permitted while the stream is capturing")
            simulation.finish(lambda: not simulation.queues[self.handle].work)

        def __del__(self) -> None:
            if hasattr(self, "key"):
                simulation.drop(self.key)

    class Event(Owned):
        def __init__(self, flags: int = 0) -> None:
            call("Event")
            super().__init__("an event")
            self.recorded = self.done = 0

        @native
        def record(self, stream: Stream) -> None:
            self.require_current("record")
            call("Event.record")
            self.recorded += 1
            this = self.recorded

            def finish() -> None:
                self.done = max(self.done, this)

            simulation.enqueue(stream.handle, lambda: Work(finish))

        @native
        def synchronize(self) -> None:
            """Wait for the last record; without one, there is nothing to wait for."""
            self.require_current("synchronize")
            call("Event.synchronize")
            simulation.finish(lambda: self.done >= self.recorded)

        def __del__(self) -> None:
            if hasattr(self, "key"):
                simulation.drop(self.key)

    def init() -> None:
        call("init")

    def mem_alloc(size: int) -> DeviceAllocation:
        call("mem_alloc", error=OutOfMemoryError)
        return DeviceAllocation(size)

    def pagelocked_empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:  # noqa: ANN401
        call("pagelocked_empty", error=OutOfMemoryError)
        return np.asarray(PagelockedHostAllocation(np.empty(shape, dtype)))

    def page_locked(array: np.ndarray) -> Memory:
        if not isinstance(array.base, PagelockedHostAllocation):
            raise simulation.violation("an asynchronous copy from or to memory that is not page-locked")
        if array.nbytes != array.base.memory.content.nbytes:
            raise simulation.violation("a copy of a part of page-locked memory")
        return array.base.memory

    def copy(to: Memory, source: Memory, owner: Any, stream: Stream) -> None:  # noqa: ANN401
        owner.require_current("a copy")
        stream.require_current("a copy")
        if to.content.nbytes != source.content.nbytes:
            raise simulation.violation(f"a copy of {source.content.nbytes} bytes to {to.content.nbytes}")

        def run() -> None:
            to.content.reshape(-1)[:] = source.content.reshape(-1)

        simulation.enqueue(stream.handle, lambda: Work(run, (source,), (to,)))

    @native
    def memcpy_htod_async(dest: DeviceAllocation, src: np.ndarray, stream: Stream) -> None:
        call("memcpy_htod_async")
        copy(dest.memory, page_locked(src), dest, stream)

    @native
    def memcpy_dtoh_async(dest: np.ndarray, src: DeviceAllocation, stream: Stream) -> None:
        call("memcpy_dtoh_async")
        copy(page_locked(dest), src.memory, src, stream)

    return SimpleNamespace(
        **{"Error": Error, "LogicError": LogicError, "MemoryError": OutOfMemoryError},
        **{"Context": Context, "Device": Device, "Stream": Stream, "Event": Event},
        event_flags=SimpleNamespace(BLOCKING_SYNC=1, DISABLE_TIMING=2),
        init=init,
        get_driver_version=lambda: 13000,
        mem_alloc=mem_alloc,
        pagelocked_empty=pagelocked_empty,
        memcpy_htod_async=memcpy_htod_async,
        memcpy_dtoh_async=memcpy_dtoh_async,
    )
