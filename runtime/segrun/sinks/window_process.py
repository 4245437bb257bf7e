"""The window's process: takes pictures on standard input and shows them until the user closes the window.

It is a separate process because PyAV and OpenCV each bring a libxcb: in one process, OpenCV's first window hangs
forever if PyAV was imported before it (PyAV-Org/PyAV#978). So it imports nothing of edgeseg. Where a window is
impossible, Qt aborts the process, so only this one; and windows need the main thread, which does not call sinks.
"""

import os
import queue
import signal
import struct
import sys
import threading

import cv2
import numpy as np
import numpy.typing as npt

READY = b"ready\n"
SIZE = struct.Struct("<II")
"""Height and width, sent before each picture; that is BGR uint8 [H, W, 3]."""

Image = npt.NDArray[np.uint8]

ESCAPE = 27
LOOK_UP = 10  # milliseconds to wait for a key before looking for a picture
FIRST_SIZE = (720, 1280)  # the largest height and width that the window starts with, in pixels; the user may enlarge it


def main() -> None:
    """Open a window titled by the first argument, print READY, and show the pictures that come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the sender, which then closes standard input
    title = sys.argv[1]
    cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    pictures: queue.Queue[Image | None] = queue.Queue(1)
    threading.Thread(target=_receive, args=(pictures,), daemon=True).start()
    sized = False
    while True:
        key = cv2.waitKey(1 if not pictures.empty() else LOOK_UP) & 0xFF  # this is also when the window is drawn
        if key in (ord("q"), ESCAPE) or (sized and not _visible(title)):
            return
        try:
            picture = pictures.get_nowait()
        except queue.Empty:
            continue
        if picture is None:
            return
        if not sized:
            height, width = picture.shape[:2]
            shrink = min(1.0, FIRST_SIZE[0] / height, FIRST_SIZE[1] / width)
            cv2.resizeWindow(title, round(width * shrink), round(height * shrink))
            sized = True
        cv2.imshow(title, picture)


def _receive(pictures: "queue.Queue[Image | None]") -> None:
    """Take pictures from standard input, in a thread: keys must work while none comes; None is the end."""
    while len(head := _read(SIZE.size)) == SIZE.size:
        height, width = SIZE.unpack(head)
        pixels = _read(height * width * 3)
        if len(pixels) < height * width * 3:
            break
        pictures.put(np.frombuffer(pixels, np.uint8).reshape(height, width, 3))
    pictures.put(None)


def _read(count: int) -> bytes:
    """Return `count` bytes of standard input, fewer at its end; unbuffered: Python cannot end with a locked buffer."""
    data = bytearray()
    while len(data) < count and (more := os.read(sys.stdin.fileno(), count - len(data))):
        data += more
    return bytes(data)


def _visible(title: str) -> bool:
    try:
        return cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) > 0
    except cv2.error:  # raised by some of OpenCV's window systems for a closed window
        return False


if __name__ == "__main__":
    main()
