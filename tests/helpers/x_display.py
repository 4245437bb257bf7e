"""Keys and close buttons of an X display, pressed as a user would: through libX11 and libXtst, without a package."""

import ctypes
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_uint, c_ulong, c_void_p

CLIENT_MESSAGE = 33
CURRENT_TIME = 0


class _ClientMessage(ctypes.Structure):
    """XClientMessageEvent, padded to the size of an XEvent."""

    _fields_ = [
        ("type", c_int),
        ("serial", c_ulong),
        ("send_event", c_int),
        ("display", c_void_p),
        ("window", c_ulong),
        ("message_type", c_ulong),
        ("format", c_int),
        ("data", c_long * 5),
        ("rest", c_long * 24),
    ]


def press(key: str) -> None:
    """Press and release the key that X calls `key`, with the pointer over the window at the top left."""
    x11, xtst = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
    display = _display(x11)
    x11.XStringToKeysym.restype = c_ulong
    code = x11.XKeysymToKeycode(display, c_ulong(x11.XStringToKeysym(key.encode())))
    xtst.XTestFakeMotionEvent(display, -1, 30, 30, CURRENT_TIME)
    for down in (1, 0):
        xtst.XTestFakeKeyEvent(display, code, down, CURRENT_TIME)
    x11.XSync(display, 0)


def press_close_button(title: str) -> None:
    """Send the windows called `title` what a window manager sends when their close button is pressed."""
    x11 = ctypes.CDLL("libX11.so.6")
    display = _display(x11)
    x11.XDefaultRootWindow.restype = x11.XInternAtom.restype = c_ulong
    root, parent, count, windows = c_ulong(), c_ulong(), c_uint(), POINTER(c_ulong)()
    x11.XQueryTree(
        display, c_ulong(x11.XDefaultRootWindow(display)), byref(root), byref(parent), byref(windows), byref(count)
    )
    protocols, delete = (x11.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
    for window in windows[: count.value]:
        name = c_char_p()
        x11.XFetchName(display, c_ulong(window), byref(name))
        if name.value == title.encode():
            event = _ClientMessage(CLIENT_MESSAGE, 0, 1, display, window, protocols, 32, (c_long * 5)(delete))
            x11.XSendEvent(display, c_ulong(window), 0, c_long(0), byref(event))
    x11.XSync(display, 0)


def _display(x11: ctypes.CDLL) -> c_void_p:
    x11.XOpenDisplay.restype = c_void_p
    return c_void_p(x11.XOpenDisplay(None))
