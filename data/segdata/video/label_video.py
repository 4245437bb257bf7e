"""Labels as a video: FFV1, lossless, in grey, a class id a pixel, with the times of the frames, in Matroska.

Any tool that reads video gets them as numbers: `ffmpeg -i NAME.labels.mkv -f rawvideo -` gives a byte a pixel.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from segdata.errors import InputError
from segdata.labels import LabelMap
from segdata.video.container import reason
from segdata.video.track_file import TrackFile

SUFFIX = ".labels.mkv"

_CLASSES = "CLASSES"  # the tag of the file that has their names, as a JSON list
_OPTIONS = {"level": "3", "coder": "1", "context": "1", "g": "1", "slices": "4", "slicecrc": "1"}


@dataclass(frozen=True)
class TimedLabels:
    """The labels of one frame, uint8 [H, W], shown at `seconds`."""

    seconds: float
    labels: LabelMap


class LabelVideoWriter(TrackFile):
    """Writes labels of one size, until it is closed."""

    def __init__(
        self, path: Path, rate: Fraction, time_base: Fraction, classes: tuple[str, ...], shown_as: Path | None = None
    ) -> None:
        """Open `path`; raise InputError if it cannot be written.

        `rate` is frames a second, about, `time_base` the unit of their times in seconds (Matroska rounds to a
        thousandth), `classes` what the ids stand for. Errors name `shown_as` where `path` is only temporary.
        """
        super().__init__(shown_as or path)
        self._time_base = time_base
        with self._one_line_errors():
            self._container = av.open(str(path.absolute()), "w", format="matroska")
            self._container.metadata[_CLASSES] = json.dumps(classes)
            self._stream = self._container.add_stream("ffv1", rate=rate, options=_OPTIONS)
        self._stream.pix_fmt = "gray"
        self._stream.time_base = self._stream.codec_context.time_base = time_base  # the encoder's own is a frame long

    def write(self, labels: LabelMap, pts: int) -> None:
        """Write labels, uint8 [H, W], shown at `pts` of the time base; raise InputError if FFmpeg cannot."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(labels), format="gray")
        frame.pts, frame.time_base = pts, self._time_base
        with self._one_line_errors():
            if not self.frames_written:
                self._stream.height, self._stream.width = labels.shape
            self._container.mux(self._stream.encode(frame))
        self.frames_written += 1


def read_labels(path: Path) -> Iterator[TimedLabels]:
    """Yield the labels of each frame of a file that seg-run wrote as NAME.labels.mkv.

    Raises InputError if it is not a label video, or is broken.
    """
    classes = len(label_classes(path))
    try:
        with av.open(str(path.absolute())) as container:
            for frame in container.decode(container.streams.video[0]):
                labels = np.asarray(frame.to_ndarray(format="gray"), dtype=np.uint8)
                if labels.max() >= classes:
                    raise InputError(
                        f"{path}: has class {labels.max()}, its list ends at {classes - 1}; write it again"
                    )
                yield TimedLabels(float(frame.time or 0), labels)
    except av.FFmpegError as error:
        raise InputError(f"{path}: broken ({reason(error)}); write it again with seg-run") from None


def label_classes(path: Path) -> tuple[str, ...]:
    """Return what the ids in a video of labels stand for; raise InputError if `path` is not such a video."""
    try:
        with av.open(str(path.absolute())) as container:
            names = json.loads(container.metadata[_CLASSES])
            codec = container.streams.video[0].codec_context
            fits = (codec.name, codec.pix_fmt) == ("ffv1", "gray")
    except (av.FFmpegError, OSError, KeyError, IndexError, ValueError):
        names, fits = None, False
    if not fits or not isinstance(names, list) or not 1 <= len(names) <= 254:
        raise InputError(f"{path}: not a video of labels; need a NAME{SUFFIX} that seg-run wrote")
    return tuple(map(str, names))
