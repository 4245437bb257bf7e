"""Writes each frame's labels as a PNG."""

import re
from pathlib import Path

import cv2
import numpy as np

from segdata.errors import InputError
from segdata.files import replacing
from segdata.labels import Colour, palette
from segdata.video.picture import Picture
from segrun.frame import Segmented
from segrun.options import MaskValues
from segrun.sinks.base import Output, Sink

# Not allowed in a file's name on Windows: control characters and these.
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
        self._names = TakenNames(folder)

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
        # Classes cannot be averaged: the pixel that is nearest by its centre.
        size = frame.picture.width, frame.picture.height
        mask = cv2.resize(np.ascontiguousarray(small), size, interpolation=cv2.INTER_NEAREST_EXACT)
        _, encoded = cv2.imencode(".png", mask)
        name = safe_name(frame.name)
        self._names.take(name, frame.name, f"mask {name}.png")
        with replacing(self._folder / f"{name}.png") as temporary:
            temporary.write_bytes(encoded.data)
        self.path = self._folder

    def finish(self) -> None:
        """Do nothing: each file was complete when it was written."""

    def discard(self) -> None:
        """Do nothing: the existing files are complete, and removing thousands of them would take time."""


class TakenNames:
    """The names of the files of a folder: two frames with one name are an error."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: set[str] = set()

    def take(self, name: str, frame: str, shown: str) -> None:
        """Take `name` for a frame's file, `shown` to the user; raise InputError if another frame has it."""
        if name in self._names:
            raise InputError(f"{self._folder}: two images would have the {shown}; rename one of them")
        if not frame.isdecimal():  # a video's frames have numbers, which never repeat, and a camera's are endless
            self._names.add(name)


def safe_name(name: str) -> str:
    """Return `name` as one that can only name a file in its folder."""
    last = _UNUSABLE.sub("_", re.split(r"[/\\]", name)[-1])
    return last if last.strip(". ") else "frame"
