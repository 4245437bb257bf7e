"""The process that has the window: takes pictures on standard input and shows them until the user closes the window.

It is a process of its own because PyAV and OpenCV bring a libxcb each: in one process, OpenCV's first window hangs for
ever if PyAV was imported before it (PyAV-Org/PyAV#978). So it imports nothing of edgeseg. Where there can be no window
Qt ends the process, which is this one then; and windows want the main thread, which a sink is not called from.
"""

import signal
import struct
import sys

import cv2
import numpy as np

READY = b"ready\n"
SIZE = struct.Struct("<II")
"""Height and width, sent before each picture; that is BGR uint8 [H, W, 3]."""

ESCAPE = 27
FIRST_SIZE = (720, 1280)  # height and width that the window starts within, in pixels; the user may enlarge it


def main() -> None:
    """Open a window called like the first argument, say READY, and show what comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who sends, who then closes standard input
    title = sys.argv[1]
    cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    sized = False
    while len(head := sys.stdin.buffer.read(SIZE.size)) == SIZE.size:
        height, width = SIZE.unpack(head)
        pixels = sys.stdin.buffer.read(height * width * 3)
        if len(pixels) < height * width * 3:
            return
        if not sized:
            shrink = min(1.0, FIRST_SIZE[0] / height, FIRST_SIZE[1] / width)
            cv2.resizeWindow(title, round(width * shrink), round(height * shrink))
            sized = True
        cv2.imshow(title, np.frombuffer(pixels, np.uint8).reshape(height, width, 3))
        key = cv2.waitKey(1) & 0xFF  # this is also when the window is drawn
        if key in (ord("q"), ESCAPE) or not _visible(title):
            return


def _visible(title: str) -> bool:
    try:
        return cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) > 0
    except cv2.error:  # what some of OpenCV's window systems say of a window that is gone
        return False


if __name__ == "__main__":
    main()
