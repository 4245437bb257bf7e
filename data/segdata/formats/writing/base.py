"""The interface of every writer of labels: what it is given, and where it writes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

from segdata.files import move_onto, on_disk, remove, replacing, temporary_beside
from segdata.images.resize import enlarge_labels
from segdata.labels import LabelMap, LabelSpace

_PIECE = 1 << 16  # letters


@dataclass(frozen=True)
class LabelledImage:
    """An image of `height` x `width` pixels, the name of its file, such as "0001.jpg", and its labels.

    `labels`, uint8 [h, w], may be those of a network, smaller than the image: each pixel has the nearest then. `image`
    is what the image's file holds, None where only labels are written. Labels that a network `predicted` need a
    look; `confidence` is their mean probability, 0 to 1, None where that is unknown.
    """

    file_name: str
    labels: LabelMap
    height: int
    width: int
    image: bytes | None = None
    predicted: bool = False
    confidence: float | None = None

    @property
    def stem(self) -> str:
        """The file's name without its suffix."""
        return Path(self.file_name).stem

    def enlarged(self) -> LabelMap:
        """Return the labels at the size of the image."""
        if self.labels.shape == (self.height, self.width):
            return self.labels
        return enlarge_labels(self.labels, self.height, self.width)


@dataclass(frozen=True)
class Place:
    """Where one split is written: below `folder`, under the name `split`, or without one if that is ""."""

    folder: Path
    split: str = ""


class LabelWriter(ABC):
    """Writes labelled images one after the other, and keeps none in memory.

    A file of one image appears when it is complete, a file of all images with `finish`.
    """

    def __init__(self, place: Place, space: LabelSpace) -> None:
        """Prepare to write the classes of `space`; nothing is written yet."""
        self._folder, self._split, self._space = place.folder, place.split, space

    @abstractmethod
    def write(self, item: LabelledImage) -> None:
        """Write one image; raise InputError if that cannot be done."""

    def finish(self) -> None:  # noqa: B027 - most formats have a file an image
        """Complete what was written; raise InputError if that cannot be done."""

    def discard(self) -> None:  # noqa: B027 - as above
        """Release everything, and leave no incomplete file. Raises nothing."""

    def _write_image(self, folder: Path, item: LabelledImage) -> None:
        if item.image is not None:
            write_file(folder / item.file_name, item.image)


def write_file(target: Path, content: bytes | str) -> None:
    """Write a file that appears when it is complete; raise InputError if it cannot be written."""
    with replacing(target) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


class GrowingFile:
    """A text file in UTF-8 that is written piece by piece under another name, and appears when it is finished."""

    def __init__(self, target: Path) -> None:
        """Prepare to write `target`, which begins with the first piece."""
        self.target = target
        self._temporary = temporary_beside(target)
        self._stream: TextIO | None = None

    def write(self, text: str) -> None:
        """Write one piece; raise InputError if it cannot be written."""
        with on_disk(self.target):
            if self._stream is None:
                self.target.parent.mkdir(parents=True, exist_ok=True)
                self._stream = self._temporary.open("w", encoding="utf-8", newline="\n")
            self._stream.write(text)

    def written(self) -> Iterator[str]:
        """Yield what was written so far, in pieces; nothing more can be written then."""
        if self._stream is not None:
            with on_disk(self.target):
                self._stream.close()
                with self._temporary.open(encoding="utf-8") as stream:
                    yield from iter(partial(stream.read, _PIECE), "")

    def finish(self) -> None:
        """Move the file into place; raise InputError if it cannot be completed. Does nothing if nothing was written."""
        if self._stream is None:
            return
        try:
            with on_disk(self.target):
                self._stream.close()
                move_onto(self.target, self._temporary)
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what was written, unless the file is in place."""
        with suppress(OSError):  # what did not fit on a full disk
            if self._stream is not None:
                self._stream.close()
        with suppress(OSError):
            remove(self._temporary)
