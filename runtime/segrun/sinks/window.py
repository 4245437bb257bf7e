"""Shows the drawn pictures in a window."""

import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress

from segdata.errors import InputError
from segdata.video.picture import Picture, Reformatter
from segrun.frame import Segmented
from segrun.sinks.base import Output, Sink
from segrun.sinks.window_process import READY, SIZE

MOST = (1080, 1920)  # height and width of the picture for the window, in pixels: larger screens enlarge it
SECONDS_TO_OPEN = 30
SECONDS_TO_CLOSE = 5

_INSTEAD = "leave out --window, or watch in a browser with --serve"


class WindowSink(Sink):
    """Shows each picture in a window called `title`; q, Esc and its close button close it.

    `closed` says that the user closed it, also while no frame comes: the run should end as if the source had. Later
    frames are ignored. The window is in a process of its own, see `segrun.sinks.window_process`.
    """

    shows = True

    def __init__(self, title: str) -> None:
        """Open the window, empty until the first frame comes; raise InputError if it cannot be opened."""
        super().__init__()
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise InputError(f"there is no display for a window (DISPLAY is not set); {_INSTEAD}")
        self._reformatter = Reformatter()
        self._told = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process; a pipe nobody reads would fill
        command = [sys.executable, "-m", "segrun.sinks.window_process", title]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0
        )
        self._wait_until_open()

    @property
    def closed(self) -> bool:  # type: ignore[override] # what never closes has False there
        """Whether the window is gone."""
        return self._process.poll() is not None

    @classmethod
    def opened(cls, output: Output) -> "WindowSink":
        """Return the sink of a window."""
        return cls(f"edgeseg: {output.source.name}")

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Show one picture; raise InputError if the window failed."""
        assert picture is not None, "a window shows the drawn picture"
        assert self._process.stdin is not None
        if self.closed:
            self._check()
            return
        shrink = min(1.0, MOST[0] / picture.height, MOST[1] / picture.width)
        height, width = max(1, round(picture.height * shrink)), max(1, round(picture.width * shrink))
        image = self._reformatter.rgb(picture, height, width)
        message = SIZE.pack(height, width) + image[..., ::-1].tobytes()
        try:
            sent = 0
            while sent < len(message):
                sent += self._process.stdin.write(memoryview(message)[sent:]) or 0
        except OSError:  # the process has ended, as it does when the user closes the window
            self._check()

    def finish(self) -> None:
        """Close the window; raise InputError if it failed before."""
        assert self._process.stdin is not None
        try:
            if self.closed:
                self._check()
        finally:
            self._close()

    def _close(self) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(SECONDS_TO_CLOSE)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._let_go()

    def discard(self) -> None:
        """Close the window at once."""
        self._process.kill()
        self._let_go()

    def _wait_until_open(self) -> None:
        assert self._process.stdout is not None
        patience = threading.Timer(SECONDS_TO_OPEN, self._process.kill)
        patience.start()
        said = self._process.stdout.readline()
        patience.cancel()
        if said == READY:
            return
        reason = self._reason()
        self.discard()
        if "not implemented" in reason:
            raise InputError(
                "opencv-python-headless has no windows; run: pip uninstall -y opencv-python-headless && "
                f"pip install --force-reinstall opencv-python; or {_INSTEAD}"
            )
        raise InputError(f"OpenCV cannot open a window here ({reason}); {_INSTEAD}")

    def _check(self) -> None:
        """Raise InputError, once, if the window's process failed."""
        if self._process.wait() != 0 and not self._told:
            self._told = True
            raise InputError(f"the window failed ({self._reason()}); {_INSTEAD}")

    def _reason(self) -> str:
        """Return the line in which the process says why it ended: Python's last one, Qt's first one."""
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines() or ["it does not say why"]
        return (lines[-1] if lines[0].startswith("Traceback") else lines[0])[:200]

    def _let_go(self) -> None:
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
