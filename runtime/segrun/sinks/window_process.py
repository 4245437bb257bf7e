"""The process that has the window: takes pictures on standard input and shows them until the user closes the window.

It is a process of its own because PyAV and OpenCV bring a libxcb each: in one process, OpenCV's first window hangs for
ever if PyAV was imported before it (PyAV-Org/PyAV#978). So it imports nothing of edgeseg. Where there can be no window
Qt ends the process, which is this one then; and windows want the main thread, which a sink is not called from.
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
LOOK_UP = 10  # milliseconds that the window waits for a key before it looks for a picture
FIRST_SIZE = (720, 1280)  # height and width that the window starts within, in pixels; the user may enlarge it


def main() -> None:
    """Open a window called like the first argument, say READY, and show what comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who sends, who then closes standard input
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
    """Take pictures from standard input, in a thread: keys must be heard while none comes; None is the end."""
    while len(head := _read(SIZE.size)) == SIZE.size:
        height, width = SIZE.unpack(head)
        pixels = _read(height * width * 3)
        if len(pixels) < height * width * 3:
            break
        pictures.put(np.frombuffer(pixels, np.uint8).reshape(height, width, 3))
    pictures.put(None)


def _read(count: int) -> bytes:
    """Return so many bytes of standard input, fewer at its end. A buffer would be locked when Python wants to end."""
    data = bytearray()
    while len(data) < count and (more := os.read(sys.stdin.fileno(), count - len(data))):
        data += more
    return bytes(data)


def _visible(title: str) -> bool:
    try:
        return cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) > 0
    except cv2.error:  # what some of OpenCV's window systems say of a window that is gone
        return False


if __name__ == "__main__":
    main()
