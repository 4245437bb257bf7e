"""A CUDA stream, and the event that says when what was put on it last is done."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt


class CudaStream:
    """What is put here is done in order, and overlaps with what is on other streams.

    Nobody else holds on to pycuda's stream and event: they have no `free`, and must be gone before their context.
    """

    def __init__(self, driver: Any, on_close: Callable[[Callable[[], object]], None]) -> None:  # noqa: ANN401
        self._driver = driver
        self._stream: Any = None
        self._done: Any = None
        on_close(self._release)
        self._stream = driver.Stream()
        # Waiting sleeps instead of spinning: the processor is for decoding and encoding meanwhile.
        self._done = driver.Event(driver.event_flags.BLOCKING_SYNC | driver.event_flags.DISABLE_TIMING)

    @property
    def handle(self) -> int:
        """The stream's address, as other libraries take it."""
        return int(self._stream.handle)

    def copy_in(self, memory: Any, host: npt.NDArray[np.uint8]) -> None:  # noqa: ANN401
        """Put a copy from page-locked `host` to device memory here. `host` must stay as it is until it is done."""
        self._driver.memcpy_htod_async(memory, host, self._stream)

    def copy_out(self, host: npt.NDArray[np.uint8], memory: Any) -> None:  # noqa: ANN401
        """Put a copy from device memory to page-locked `host` here."""
        self._driver.memcpy_dtoh_async(host, memory, self._stream)

    def mark(self) -> None:
        """Have `wait` wait for all that is here by now."""
        self._done.record(self._stream)

    def wait(self) -> None:
        """Sleep until what was here at the last `mark` is done."""
        self._done.synchronize()

    def drain(self) -> None:
        """Wait until nothing is left here, marked or not."""
        self._stream.synchronize()

    def _release(self) -> None:
        self._stream = self._done = None
