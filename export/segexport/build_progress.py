"""Progress out of a TensorRT build, and Ctrl-C into it: both by way of its IProgressMonitor."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from segrun.tensorrt_library import TensorRT

OnProgress = Callable[[str, int, int], None]
"""`on_progress(phase, step, steps)`: TensorRT's name of the phase, how many of its `steps` are done, from 0.

Phases nest, and some end early. It may be called from TensorRT's threads, one call at a time.
"""


class BuildControl:
    """Whether a build is to go on, and who is told how far it is.

    What `on_progress` raises must not travel through TensorRT's C++: it stops the build, and `raise_failure` raises it.
    """

    def __init__(self, on_progress: OnProgress) -> None:
        self.stop = False
        self._on_progress = on_progress
        self._failure: BaseException | None = None
        self._lock = threading.RLock()

    def report(self, phase: str, step: int, steps: int) -> bool:
        """Tell `on_progress`; return whether the build is to go on."""
        with self._lock:
            if not self.stop:
                try:
                    self._on_progress(phase, step, steps)
                except BaseException as failure:  # KeyboardInterrupt above all
                    self._failure, self.stop = failure, True
            return not self.stop

    def raise_failure(self) -> None:
        """Raise what `on_progress` raised, if it did."""
        if self._failure is not None:
            raise self._failure


@contextmanager
def interruptible(control: BuildControl) -> Iterator[None]:
    """Hold Ctrl-C back while the block is in TensorRT, where an exception would kill the process, and raise it after.

    Until then `control.stop` is set, which ends the build at its next step. Outside the main thread, and where SIGINT
    is ignored, nothing is held back.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    interrupted = False

    def hold_back(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        control.stop = interrupted = True

    signal.signal(signal.SIGINT, hold_back)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if interrupted:
            signal.raise_signal(signal.SIGINT)


def progress_monitor(library: TensorRT, control: BuildControl) -> Any:  # noqa: ANN401 - a class of the library
    """Return an IProgressMonitor that reports to `control`; keep it as long as the configuration it is set on."""
    trt: Any = library.module

    class ProgressMonitor(trt.IProgressMonitor):  # type: ignore[misc] # the library is untyped
        """Phases are known by name; TensorRT uses no name twice at a time."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._steps[phase_name] = num_steps
            control.report(phase_name, 0, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return control.report(phase_name, step + 1, self._steps.get(phase_name, step + 1))

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

    return ProgressMonitor()
