"""Writes each frame's labels as a PNG."""

import re
from pathlib import Path

import cv2
import numpy as np

from segdata.errors import InputError
from segdata.files import move_onto, on_disk, remove, temporary_beside
from segdata.labels import Colour, palette
from segdata.video.picture import Picture
from segrun.frame import Segmented
from segrun.options import MaskValues
from segrun.sinks.base import Output, Sink

# What a file's name cannot have, on Windows either: control characters and these.
_UNUSABLE = re.compile(r'[\x00-\x1f<>:"|?*]')


class PngSink(Sink):
    """Writes one PNG a frame into a folder, of the frame's size and named after it.

    With `values` "ids" a pixel is its class id (8-bit grey), with "colours" its class's colour (RGB), with "confidence"
    255 times the probability of its class (8-bit grey). Each file appears when it is complete; those of an earlier run
    stay unless they are written again.
    """

    def __init__(self, folder: Path, values: MaskValues, colours: tuple[Colour, ...]) -> None:
        """Prepare to write into `folder`, which is made when the first frame comes."""
        super().__init__()
        self._folder, self._values = folder, values
        self._table = palette(colours)[:, ::-1] if values == "colours" else None  # OpenCV writes BGR
        self._temporary: Path | None = None
        self._taken: set[str] = set()

    @classmethod
    def opened(cls, output: Output) -> "PngSink":
        """Return the sink of a folder of masks."""
        return cls(output.path, output.options.mask_values, output.spec.colours)

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Write one frame's labels; raise InputError if they cannot be, or if another frame has the name."""
        labels, frame = segmented.labels, segmented.frame
        if self._values == "confidence":
            assert segmented.confidence is not None, "the model has a confidence: it was asked for"
            labels = segmented.confidence
        small = labels if self._table is None else self._table[labels]
        # No class lies between two others: the pixel that is nearest by its centre, and no mean of several.
        size = frame.picture.width, frame.picture.height
        mask = cv2.resize(np.ascontiguousarray(small), size, interpolation=cv2.INTER_NEAREST_EXACT)
        _, encoded = cv2.imencode(".png", mask)
        target = self._folder / f"{self._name_of(frame.name)}.png"
        self._temporary = temporary_beside(target)
        try:
            with on_disk(target):
                self._folder.mkdir(parents=True, exist_ok=True)
                self._temporary.write_bytes(encoded.data)
                move_onto(target, self._temporary)
        finally:
            remove(self._temporary)
        self.path = self._folder

    def _name_of(self, name: str) -> str:
        safe = safe_name(name)
        if safe in self._taken:
            raise InputError(f"{self._folder}: two images would have the mask {safe}.png; rename one of them")
        if not name.isdecimal():  # those of videos are numbers, which never come twice: a camera has no end of them
            self._taken.add(safe)
        return safe

    def finish(self) -> None:
        """Do nothing: each file was complete when it was written."""

    def discard(self) -> None:
        """Do nothing: the files that are there are whole, and to remove thousands of them takes its time."""


def safe_name(name: str) -> str:
    """Return `name` as one that can only be of a file in the folder it is used in."""
    last = _UNUSABLE.sub("_", re.split(r"[/\\]", name)[-1])
    return last if last.strip(". ") else "frame"
