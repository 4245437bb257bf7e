"""Ctrl-C and SIGTERM end a command cleanly; a second one does not disturb the ending."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Handles SIGINT and SIGTERM during a block.

    The first raises KeyboardInterrupt, unless it comes in a block of `held`. Later ones are ignored; with `last`, also
    those after the block, since a signal that arrives while Python exits would kill it. Outside the main thread,
    where Python cannot handle signals, the block just runs.
    """

    def __init__(self, last: bool = False) -> None:
        self._last = last
        self._heard = 0
        self._held = self._raised = False
        self._steps: tuple[Callable[[], None], ...] = ()
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._before = {name: signal.signal(name, self._hear) for name in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leaving = self._last and self._heard
        for name, handler in self._before.items():
            if signal.getsignal(name) == self._hear:  # nobody has replaced it since
                signal.signal(name, signal.SIG_IGN if leaving else handler)
        if self._raised and isinstance(error, Exception):  # what a library that was being imported turned it into
            raise KeyboardInterrupt from None

    def forget(self) -> None:
        """Treat the next signal as the first."""
        self._heard = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raise nothing in the block: KeyboardInterrupt between two of its lines would leave files behind."""
        self._held = True
        try:
            yield
        finally:
            self._held, self._steps = False, ()

    def take(self, stop: Callable[[], None], abandon: Callable[[], None]) -> None:
        """In a block of `held`, call `stop` at the first signal, `abandon` at the second, even if they came before."""
        self._steps = (stop, abandon)
        for step in self._steps[: self._heard]:
            step()

    def pass_on(self) -> None:
        """Pass a signal of the main thread on to a run in another thread; nothing is raised."""
        self._heard += 1
        for step in self._steps[: self._heard]:
            step()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if not self._held and self._heard == 0:
            self._heard, self._raised = 1, True
            raise KeyboardInterrupt
        self.pass_on()
