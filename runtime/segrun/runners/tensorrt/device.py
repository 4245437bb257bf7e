"""The GPU: memory, streams, and a context that is current only while it is used."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import RLock, Thread, get_ident
from typing import Any

import numpy as np
import numpy.typing as npt

from segdata.errors import EdgeSegError
from segdata.text import printable
from segrun.runners.tensorrt.driver import find_device
from segrun.runners.tensorrt.stream import CudaStream

_AGAIN = "start the program again"


class Device:
    """A GPU, with a CUDA context of its own. Any thread may use it; the one that opened it closes it.

    Everything it allocates lives until `close`, which frees it in reverse order. The context is current only inside
    `active`, so that several devices, and other users of CUDA, can take turns in one thread. `name`,
    `compute_capability` ("7.5") and `pci_bus_id` ("0000:01:00.0") say which GPU it is.
    """

    def __init__(self, driver: Any, number: int = 0) -> None:  # noqa: ANN401
        """Open GPU `number`, as CUDA counts them, with `driver`, from `load_driver`.

        Raises MissingDependencyError if there is no GPU, InputError if there is none of that number.
        """
        self._driver = driver
        self._thread = get_ident()
        self._one_at_a_time = RLock()
        self._owned = ExitStack()
        self._lost = False
        device, facts = find_device(driver, number)
        self.name, self.compute_capability, self.pci_bus_id = facts
        with self._in_one_line():
            self._context = device.make_context()
            try:
                driver.Context.pop()  # make_context leaves it current
            except BaseException:
                self._context.detach()
                raise

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make the context current for the block, in which everything below may be used.

        Any thread may, one at a time. Raises EdgeSegError after `close` and, in one line, for what CUDA reports.
        """
        with self._one_at_a_time, self._in_one_line():
            if self._context is None:
                raise EdgeSegError("the GPU was closed; open the engine again")
            with self._current(self._context):
                yield

    def on_close(self, release: Callable[[], object]) -> None:
        """Have `close` call `release`, with the context current, before it frees older objects."""
        self._owned.callback(release)

    def pinned(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """Return page-locked host memory, uint8 of `shape`: only copies from and to it can be asynchronous."""
        array: npt.NDArray[np.uint8] = self._driver.pagelocked_empty(shape, np.uint8)
        self._owned.callback(array.base.free)  # type: ignore[union-attr] # the base is the driver's allocation
        return array

    def memory(self, size: int) -> Any:  # noqa: ANN401
        """Return `size` bytes of device memory; `int()` gives the address."""
        allocation = self._driver.mem_alloc(size)
        self._owned.callback(allocation.free)
        return allocation

    def stream(self) -> CudaStream:
        """Return a new stream."""
        return CudaStream(self._driver, self.on_close)

    def close(self) -> None:
        """Wait for work in flight, free everything and the context; an error in one step does not stop the others.

        May be called twice. Raises EdgeSegError in another thread than the one that opened it, and as `active` does.
        """
        if self._context is not None:
            self.check_thread()
            self.abandon()

    def abandon(self) -> None:
        """Do what `close` does, in any thread: in another, the empty context stays until the process ends."""
        if self._context is None:
            return
        context, self._context = self._context, None
        with self._in_one_line(), ExitStack() as steps:  # last step first
            steps.callback(self._owned.close)  # what was not freed below
            if self._lost:
                return
            steps.callback(lambda: None if self._lost else context.detach())
            with self._current(context):
                if self._is_lost():  # this waits
                    raise EdgeSegError("it no longer answers")
                self._owned.close()

    def check_thread(self) -> None:
        """Raise EdgeSegError in another thread than the one that opened the device: pycuda frees nothing there."""
        if get_ident() != self._thread:
            raise EdgeSegError("a CUDA context is closed by the thread that opened it; close the engine there")

    @contextmanager
    def _current(self, context: Any) -> Iterator[None]:  # noqa: ANN401
        if self._lost:
            raise EdgeSegError("as it said before")
        with ExitStack() as steps:
            steps.callback(self._forget_if_lost, context)
            self._lost = True  # as when the context cannot be made current
            context.push()
            self._lost = False
            steps.callback(self._driver.Context.pop)
            try:
                yield
            except (EdgeSegError, self._driver.Error):
                self._lost = self._is_lost()
                raise

    def _is_lost(self) -> bool:
        """Return whether the current context is lost: CUDA then answers every call with an error."""
        for _ in range(2):  # the first call reports what failed before
            try:
                self._driver.Context.synchronize()
            except self._driver.Error:
                continue
            return False
        return True

    def _forget_if_lost(self, context: Any) -> None:  # noqa: ANN401
        """Detach a lost context, and with it everything in it.

        Nothing in such a context can be freed, which pycuda would report on stderr for each piece of memory. In another
        thread than the context's own, it silently forgets it.
        """
        if self._lost:
            forgetting = Thread(target=context.detach)
            forgetting.start()
            forgetting.join()

    @contextmanager
    def _in_one_line(self) -> Iterator[None]:
        try:
            yield
        except (EdgeSegError, self._driver.Error) as error:
            reason = printable(str(error))
            if self._lost and not reason.endswith(_AGAIN):
                raise EdgeSegError(f"CUDA gave up on {self.name} ({reason}); {_AGAIN}") from error
            if isinstance(error, EdgeSegError):
                raise
            if isinstance(error, self._driver.MemoryError):
                raise EdgeSegError(
                    f"{self.name} is out of memory ({reason}); close what else uses it (nvidia-smi), or keep fewer "
                    "frames in flight"
                ) from error
            raise EdgeSegError(f"CUDA failed on {self.name} ({reason}); close the engine and open it again") from error
