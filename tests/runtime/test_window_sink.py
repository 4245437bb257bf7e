"""The window shows pictures until the user closes it; if there cannot be a window, the error is one line."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from helpers.segmented_frames import segmented, write
from segrun.sinks.window import WindowSink

Refused = Callable[..., AbstractContextManager[None]]


OPENCV = """
import os

WINDOW_NORMAL = WINDOW_KEEPRATIO = WINDOW_GUI_NORMAL = 0

class error(Exception): pass

def namedWindow(*_): {}
"""


@pytest.fixture
def opencv_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`opencv_says(code)`: an OpenCV whose namedWindow runs `code`, for the process that has the window."""
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def says(code: str) -> None:
        (tmp_path / "cv2.py").write_text(OPENCV.format(code))

    return says


def test_no_display_is_one_line(monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with refused("there is no display for a window .*; leave out --window, or watch in a browser with --serve"):
        WindowSink("street")


def test_a_display_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    """Qt ends the process that tries."""
    monkeypatch.setenv("DISPLAY", ":54321")
    with refused(r"OpenCV cannot open a window here \(.*\); leave out --window, or watch in a browser with --serve"):
        WindowSink("street")


def test_an_opencv_without_windows_is_one_line(opencv_says: Callable[[str], None], refused: Refused) -> None:
    opencv_says("raise error('The function is not implemented. Rebuild the library with Windows, GTK+ 2.x')")
    with refused("opencv-python-headless has no windows; run: pip .* opencv-python; or leave out --window"):
        WindowSink("street")


def test_an_opencv_that_ends_the_process_is_one_line(opencv_says: Callable[[str], None], refused: Refused) -> None:
    opencv_says("os.write(2, b'no platform plugin\\nCore dumped\\n'); os.abort()")
    with refused(r"OpenCV cannot open a window here \(no platform plugin\); leave out --window"):
        WindowSink("street")


WATCHED = """
import sys, threading, time
sys.path.insert(0, sys.argv[1])
from helpers.segmented_frames import segmented, write
from segrun.sinks.window import WindowSink
from helpers.x_display import press, press_close_button

sink = WindowSink("street")
act = {"q": lambda: press("q"), "x": lambda: press("x"), "Escape": lambda: press("Escape"),
       "close": lambda: press_close_button("street"), "nothing": lambda: None}[sys.argv[2]]

def watch():
    frames = [segmented(index, size=(240, 320)) for index in range(2)]
    for turn in range(60):
        write(sink, [frames[turn % 2]])
        if turn == 10:
            act()
        time.sleep(0.005)
    print("closed" if sink.closed else "open")
    sink.finish()
    print("finished")

thread = threading.Thread(target=watch)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("act", ["q", "Escape", "close", "x", "nothing"])
def test_the_user_closes_the_window(act: str) -> None:
    if not shutil.which("xvfb-run"):
        pytest.skip("needs xvfb-run, for a display that nobody sees")
    command = ["xvfb-run", "-a", sys.executable, "-c", WATCHED, str(Path(__file__).parents[1]), act]
    # PyAV is imported before OpenCV there, which hangs a window in the same process. No remark of Qt is passed on.
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = "open" if act in ("x", "nothing") else "closed"
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{said}\nfinished\n", "")


SILENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from helpers.segmented_frames import segmented, write
from segrun.sinks.window import WindowSink
from helpers.x_display import press, press_close_button

sink = WindowSink("street")
write(sink, [segmented(0, size=(240, 320))])
act = {"q": lambda: press("q"), "close": lambda: press_close_button("street")}[sys.argv[2]]
time.sleep(0.5)
act()
while not sink.closed:
    time.sleep(0.01)
sink.finish()
print("closed")
"""


@pytest.mark.parametrize("act", ["q", "close"])
def test_the_user_closes_the_window_while_no_frame_comes(act: str) -> None:
    if not shutil.which("xvfb-run"):
        pytest.skip("needs xvfb-run, for a display that nobody sees")
    command = ["xvfb-run", "-a", sys.executable, "-c", SILENT, str(Path(__file__).parents[1]), act]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed\n", "")


def test_a_window_that_dies_is_one_line(opencv_says: Callable[[str], None], refused: Refused) -> None:
    opencv_says("print('ready', flush=True); os.write(2, b'lost the display\\n'); os._exit(1)")
    sink = WindowSink("street")
    with refused(r"the window failed \(lost the display\); leave out --window"):
        write(sink, (segmented(index) for index in range(100)))
    sink.finish()
    assert sink.closed


@pytest.mark.parametrize("end", [WindowSink.finish, WindowSink.discard])
def test_no_process_is_left(
    opencv_says: Callable[[str], None], tmp_path: Path, end: Callable[[WindowSink], None]
) -> None:
    note = tmp_path / "process"
    opencv_says(f"open({str(note)!r}, 'w').write(str(os.getpid()))")
    end(WindowSink("street"))
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
