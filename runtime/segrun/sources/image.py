"""An image, and a folder of images as a video."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import cv2

from segdata.errors import InputError
from segdata.images.image_file import IMAGE_SUFFIXES, decode_image
from segdata.video.reader import Decoded, SoundStream
from segrun.sources.base import SourceKind

SUFFIXES = IMAGE_SUFFIXES
"""What names of images end in, in lower case."""

_OWN_RESULT = ".seg"  # the end of a default result's stem: such files are not inputs
_RATE = Fraction(25)


class ImageSource:
    """Images, 25 a second, each under its file's name; turned upright where their EXIF data says so.

    A name has no suffix, unless two images would then have the same name.

    Transparency is removed, grey becomes colour, 16 bits become 8. `corrupt_packets` counts the images that cannot
    be read; they are skipped.
    """

    live, bursts = False, 0
    audio: SoundStream | None = None
    recorded: Mapping[str, str] = MappingProxyType({})
    rate = _RATE
    time_base = 1 / _RATE
    starts_at = Fraction(0)

    def __init__(self, name: str, paths: Sequence[Path]) -> None:
        """Take images in the order of `paths`; errors call them `name`."""
        self.name = name
        self._paths = paths
        self._stems = Counter(path.stem for path in paths)
        self._next = 0
        self.expected_frames: int | None = len(paths)
        self.corrupt_packets = 0

    @classmethod
    def of_folder(cls, folder: Path) -> "ImageSource":
        """Take the images of a folder, in `natural_order`; raise InputError if there is none."""
        paths = files_in(folder, SUFFIXES)
        if not paths:
            kinds = ", ".join(suffix[1:] for suffix in SUFFIXES)
            raise InputError(f"{folder}: no images or videos in this folder; need images, some of {kinds}, or videos")
        return cls(str(folder), paths)

    def read(self) -> Iterator[Decoded]:
        """Yield every image that can be read."""
        while self._next < len(self._paths):
            path, pts = self._paths[self._next], self._next
            self._next += 1
            try:
                # Read by Python: OpenCV cannot open all file names on Windows.
                image = decode_image(path.read_bytes(), cv2.IMREAD_COLOR) if path.is_file() else None
            except OSError:
                image = None
            if image is None:
                self.corrupt_packets += 1
            else:
                yield Decoded.from_bgr(image, pts, self.time_base, self._name_of(path))

    def seek(self, seconds: Fraction) -> bool:
        """Go on reading at the image that is shown at `seconds`."""
        self._next = max(0, int(seconds * self.rate))
        return True

    def close(self) -> None:
        """Nothing is open between two images."""

    def files(self) -> dict[str, Path]:
        """Return the file of each frame, by the frame's name."""
        return {self._name_of(path): path for path in self._paths}

    def _name_of(self, path: Path) -> str:
        return path.stem if self._stems[path.stem] == 1 else path.name


def files_in(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return the files of a folder with these suffixes, in `natural_order`, without hidden ones and own results."""
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and not path.stem.endswith(_OWN_RESULT)
    ]
    return sorted(found, key=lambda path: natural_order(path.name))


def natural_order(name: str) -> list[str | int]:
    """Return a key that sorts frame2 before frame10."""
    parts: list[str | int] = list(re.split("([0-9]+)", name.lower()))
    parts[1::2] = map(int, parts[1::2])
    return [*parts, name]


FOLDER = SourceKind(
    takes=lambda word: Path(word).is_dir(),
    open=lambda word, _: ImageSource.of_folder(Path(word)),
    name=lambda word: Path(word).resolve().name,
    repeatable=True,
)
FILE = SourceKind(
    takes=lambda word: Path(word).suffix.lower() in SUFFIXES and Path(word).is_file(),
    open=lambda word, _: ImageSource(word, [Path(word)]),
    name=lambda word: Path(word).stem,
    repeatable=True,
)
