"""Progress of a TensorRT build, and Ctrl-C and SIGTERM passed into it, through its IProgressMonitor."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from segdata.command_line.progress import Progress
from segrun.runners.tensorrt.library import TensorRT

OnProgress = Callable[[str, int, int], None]
"""`on_progress(phase, step, steps)`: TensorRT's name of the phase, how many of its `steps` are done, from 0.

Phases nest, and some end early. It may be called from TensorRT's threads, one call at a time.
"""

_TOP_PHASE = "Building engine"  # what TensorRT calls the outermost phase
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def build_progress(progress: Progress, note: str) -> OnProgress:
    """Return a callback that tells `progress` how far TensorRT is, by the steps of its outermost phase."""

    def on_progress(phase: str, step: int, steps: int) -> None:
        if phase == _TOP_PHASE and step == 0:
            progress.start(steps)
        elif phase == _TOP_PHASE:
            progress.advance(note)

    return on_progress


class BuildControl:
    """Whether a build should go on, and what is told of its progress.

    What `on_progress` raises must not travel through TensorRT's C++: it stops the build, and `raise_failure` raises it.
    """

    def __init__(self, on_progress: OnProgress) -> None:
        self.stop = False
        self._on_progress = on_progress
        self._failure: BaseException | None = None
        self._lock = threading.RLock()

    def report(self, phase: str, step: int, steps: int) -> bool:
        """Call `on_progress`; return whether the build should go on."""
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
    """Hold signals back while the block is in TensorRT, where an exception would kill the process; raise them after.

    A held signal sets `control.stop`, which ends the build at its next step. Outside the main thread nothing is held
    back; nor are signals that Python leaves to the system.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {name: handler for name in _SIGNALS if callable(handler := signal.getsignal(name))}
    held_back: list[int] = []

    def hold_back(number: int, frame: FrameType | None) -> None:
        control.stop = True
        held_back.append(number)

    for name in before:
        signal.signal(name, hold_back)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
        if held_back:
            signal.raise_signal(held_back[0])


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
