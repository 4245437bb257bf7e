"""The newest picture as a JPEG: encoded once for all viewers, and only if there are any."""

import asyncio
from contextlib import suppress
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

_QUALITY = 80  # of 100


class Shown(Protocol):
    """Anything that can be shown, such as a `Picture`."""

    def to_rgb(self) -> npt.NDArray[np.uint8]:
        """Return it as RGB, uint8 [H, W, 3]."""


class LiveJpeg:
    """Takes pictures from one thread, and gives the newest to coroutines of one event loop in another.

    Nothing queues up: a picture is skipped if the next one comes before anyone asks for it.
    """

    def __init__(self) -> None:
        self._newest: tuple[int, Shown | None] = (0, None)  # its number, counted from 1
        self._jpeg = (0, b"")
        self._encoding = asyncio.Lock()
        self._waiting: asyncio.AbstractEventLoop | None = None  # where someone may wait for the next picture
        self._news = asyncio.Event()
        self._ended = False

    def show(self, picture: Shown) -> None:
        """Make `picture` the newest; it must not change any more. After the end it does nothing."""
        if self._ended:
            return
        self._newest = (self._newest[0] + 1, picture)
        loop, self._waiting = self._waiting, None
        if loop is not None:
            with suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(self._wake)

    async def after(self, seen: int) -> tuple[int, bytes] | None:
        """Wait for a picture later than number `seen`; return its number and JPEG, None once there will be no more."""
        while True:
            # Registered before looking: a picture that comes after the look then wakes us.
            self._waiting = asyncio.get_running_loop()
            if self._newest[0] > seen:
                return await self._encoded(seen)
            if self._ended:
                return None
            await self._news.wait()

    async def newest(self) -> bytes | None:
        """Return the newest picture's JPEG, None before there is one."""
        number, picture = self._newest
        return None if picture is None else (await self._encoded(number - 1))[1]

    def end(self) -> None:
        """Say that no more pictures come; called in the event loop."""
        self._ended = True
        self._wake()

    async def _encoded(self, seen: int) -> tuple[int, bytes]:
        async with self._encoding:
            if self._jpeg[0] <= seen:
                number, picture = self._newest
                assert picture is not None
                self._jpeg = (number, await asyncio.to_thread(_jpeg_of, picture))
            return self._jpeg

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _jpeg_of(picture: Shown) -> bytes:
    _, jpeg = cv2.imencode(
        ".jpg", cv2.cvtColor(picture.to_rgb(), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )
    return jpeg.tobytes()
