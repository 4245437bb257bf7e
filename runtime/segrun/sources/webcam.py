"""A camera on this machine, through OpenCV."""

import re
import threading
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from cv2.utils import logging

from segdata.errors import InputError
from segdata.video.reader import FALLBACK_RATE, Decoded, SoundStream
from segrun.sources.base import SourceKind
from segrun.sources.live_clock import TIME_BASE, LiveClock


class WebcamSource:
    """Frames as the camera delivers them, timed by when they came. Ends when the camera stops delivering."""

    live, bursts = True, 0
    audio: SoundStream | None = None
    recorded: Mapping[str, str] = MappingProxyType({})
    time_base = TIME_BASE
    starts_at = Fraction(0)

    def __init__(self, device: int | str) -> None:
        """Open a camera by its number, or anything else that OpenCV opens; raise InputError if there is none."""
        self.name = f"webcam {device}"
        level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)  # it would report every driver that it tried
        try:
            self._capture = cv2.VideoCapture(device)
        finally:
            logging.setLogLevel(level)
        if not self._capture.isOpened():
            raise InputError(f"{self.name}: no such camera, or another program has it; try another number")
        rate = Fraction(self._capture.get(cv2.CAP_PROP_FPS)).limit_denominator(1001)
        self.rate = rate if rate > 0 else FALLBACK_RATE
        self.expected_frames: int | None = None
        self.corrupt_packets = 0
        self._clock = LiveClock()
        self._busy, self._closed = threading.Lock(), False

    def read(self) -> Iterator[Decoded]:
        """Yield frames until the camera stops."""
        while True:
            with self._busy:  # a camera must not be released during a read
                if self._closed:
                    self._capture.release()
                    return
                delivered, image = self._capture.read()
            if not delivered:
                return
            yield Decoded.from_bgr(np.asarray(image, np.uint8), self._clock.pts(None), self.time_base)

    def seek(self, _: Fraction) -> bool:
        """Return False: a camera cannot go back."""
        return False

    def close(self) -> None:
        """Release the camera: at once, or, if another thread is reading, before its next frame."""
        self._closed = True
        if self._busy.acquire(blocking=False):
            self._capture.release()
            self._busy.release()


def _is_free_number(word: str) -> bool:
    return re.fullmatch("[0-9]+", word) is not None and not Path(word).exists()


KIND = SourceKind(
    takes=lambda word: Path(word).exists() if word.startswith("/dev/video") else _is_free_number(word),
    open=lambda word, _: WebcamSource(int(word) if word.isdecimal() else word),
    name=lambda word: f"webcam{re.sub('[^0-9]', '', word)}",
    live=True,
)
