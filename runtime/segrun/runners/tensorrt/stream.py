"""A CUDA stream, and the event that tells when its latest work is done."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt


class CudaStream:
    """Work on a stream is done in order, and overlaps with that on other streams.

    These are the only references to pycuda's stream and event: they have no `free`, and must go before their context.
    """

    def __init__(self, driver: Any, on_close: Callable[[Callable[[], object]], None]) -> None:  # noqa: ANN401
        self._driver = driver
        self._stream: Any = None
        self._done: Any = None
        on_close(self._release)
        self._stream = driver.Stream()
        # Waiting sleeps instead of spinning: the processor is needed for decoding and encoding.
        self._done = driver.Event(driver.event_flags.BLOCKING_SYNC | driver.event_flags.DISABLE_TIMING)

    @property
    def handle(self) -> int:
        """The stream's address, as other libraries take it."""
        return int(self._stream.handle)

    def copy_in(self, memory: Any, host: npt.NDArray[np.uint8]) -> None:  # noqa: ANN401
        """Enqueue a copy from page-locked `host` to device memory. `host` must stay as it is until it is done."""
        self._driver.memcpy_htod_async(memory, host, self._stream)

    def copy_out(self, host: npt.NDArray[np.uint8], memory: Any) -> None:  # noqa: ANN401
        """Enqueue a copy from device memory to page-locked `host`."""
        self._driver.memcpy_dtoh_async(host, memory, self._stream)

    def mark(self) -> None:
        """Have `wait` wait for everything that is on the stream now."""
        self._done.record(self._stream)

    def wait(self) -> None:
        """Sleep until everything before the last `mark` is done."""
        self._done.synchronize()

    def drain(self) -> None:
        """Wait until the stream is empty, marked or not."""
        self._stream.synchronize()

    def _release(self) -> None:
        for each in (self._done, self._stream):
            if hasattr(each, "free"):  # an error may hold on to it, through a frame of cuda-bindings' driver
                each.free()
        self._stream = self._done = None
