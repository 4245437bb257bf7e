"""The GPU, through pycuda: memory, streams, and a context that is only there while it is used."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import RLock, get_ident
from typing import Any

import numpy as np
import numpy.typing as npt

from segdata.errors import EdgeSegError, MissingDependencyError
from segdata.text import printable
from segrun.runners.tensorrt.stream import CudaStream


def load_driver() -> Any:  # noqa: ANN401 - pycuda is untyped
    """Return pycuda.driver; raise MissingDependencyError if it is not installed or there is no NVIDIA driver."""
    try:
        import pycuda.driver
    except ImportError as error:
        raise MissingDependencyError(
            f"pycuda cannot be imported ({error}); it needs an NVIDIA driver, and: pip install 'edgeseg[tensorrt]'"
        ) from None
    return pycuda.driver


def first_device() -> tuple[str, str]:
    """Return the name and the compute capability ("7.5") of the first GPU.

    Raises MissingDependencyError if pycuda is not installed, its driver library is missing, or there is no GPU.
    """
    driver = load_driver()
    return _name_and_capability(_first_device(driver))


class Device:
    """The first GPU, with a CUDA context of its own. Any thread may use it; the one that opened it closes it.

    Everything it hands out lives until `close`, which frees it in reverse order. The context is current only inside
    `active`, so that several devices, and other users of CUDA, can take turns in one thread. `name` and
    `compute_capability` ("7.5") say which GPU it is.
    """

    def __init__(self, driver: Any) -> None:  # noqa: ANN401
        """Open the first GPU with `driver`, which is pycuda's; raise MissingDependencyError if there is none."""
        self._driver = driver
        self._thread = get_ident()
        self._one_at_a_time = RLock()
        self._owned = ExitStack()
        device = _first_device(driver)
        self.name, self.compute_capability = _name_and_capability(device)
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
            self._context.push()
            try:
                yield
            finally:
                self._driver.Context.pop()

    def on_close(self, release: Callable[[], object]) -> None:
        """Have `close` call `release`, with the context current, before it frees what is older."""
        self._owned.callback(release)

    def pinned(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """Return page-locked host memory, uint8 of `shape`: only from and to such can copies be asynchronous."""
        array: npt.NDArray[np.uint8] = self._driver.pagelocked_empty(shape, np.uint8)
        self._owned.callback(array.base.free)  # type: ignore[union-attr] # the base is pycuda's allocation
        return array

    def memory(self, size: int) -> Any:  # noqa: ANN401
        """Return `size` bytes of device memory; `int` of it is the address."""
        allocation = self._driver.mem_alloc(size)
        self._owned.callback(allocation.free)
        return allocation

    def stream(self) -> CudaStream:
        """Return a new stream."""
        return CudaStream(self._driver, self.on_close)

    def close(self) -> None:
        """Wait for what is in flight, free everything and the context; every step is taken whatever the others raise.

        May be called twice. Raises EdgeSegError in another thread than the one that opened it, and as `active` does.
        """
        if self._context is None:
            return
        self.check_thread()
        context, self._context = self._context, None
        with self._in_one_line(), ExitStack() as steps:  # last step first
            steps.callback(context.detach)
            steps.callback(self._owned.close)  # only if the context could not be made current
            context.push()
            steps.callback(self._driver.Context.pop)
            steps.callback(self._owned.close)
            self._driver.Context.synchronize()

    def check_thread(self) -> None:
        """Raise EdgeSegError in another thread than the one that opened the device: pycuda frees nothing there."""
        if get_ident() != self._thread:
            raise EdgeSegError("a CUDA context is closed by the thread that opened it; close the engine there")

    @contextmanager
    def _in_one_line(self) -> Iterator[None]:
        try:
            yield
        except self._driver.MemoryError as error:
            raise EdgeSegError(
                f"{self.name} is out of memory ({printable(str(error))}); close what else uses it (nvidia-smi), or "
                "keep fewer frames in flight"
            ) from error
        except self._driver.Error as error:
            raise EdgeSegError(
                f"CUDA failed on {self.name} ({printable(str(error))}); close the engine and open it again"
            ) from error


def _first_device(driver: Any) -> Any:  # noqa: ANN401
    try:
        driver.init()
        return driver.Device(0)
    except driver.Error as error:
        raise MissingDependencyError(
            f"CUDA finds no GPU ({printable(str(error))}); check nvidia-smi; without a GPU, .onnx files run on the CPU "
            "and TensorRT-RTX builds engines"
        ) from None


def _name_and_capability(device: Any) -> tuple[str, str]:  # noqa: ANN401
    major, minor = device.compute_capability()
    return str(device.name()), f"{major}.{minor}"
