"""Writes the facts of each frame as a line of JSON."""

import io
import json
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from segdata.files import on_disk
from segdata.labels import LabelMap
from segdata.video.picture import Picture
from segrun.frame import Segmented
from segrun.sinks.base import Output, Sink


class JsonSink(Sink):
    """Writes one JSON object a frame, a line each, in UTF-8. Its times are the source's.

    Unlike other files it is written under its own name from the first frame on: each line is complete in itself, so the
    file can be followed while it grows (`tail -f`).
    """

    def __init__(self, target: Path) -> None:
        """Prepare to write `target`, which is made when the first frame comes."""
        super().__init__()
        self._target = target
        self._stream: io.FileIO | None = None
        self._before: LabelMap | None = None
        self._starts_at: float | None = None

    @classmethod
    def opened(cls, output: Output) -> "JsonSink":
        """Return the sink of a file of JSON lines."""
        return cls(output.path)

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Write one frame's line; raise InputError if it cannot be written. No part of it stays."""
        if self._starts_at is None:
            self._starts_at = segmented.frame.seconds
        line = json.dumps(facts(segmented, self._before, self._starts_at, time.perf_counter()), allow_nan=False)
        self._before = segmented.labels
        with on_disk(self._target):
            if self._stream is None:
                self._target.parent.mkdir(parents=True, exist_ok=True)
                self._stream = io.FileIO(self._target, "w")
                self.path = self._target
            _write_whole(self._stream, f"{line}\n".encode())

    def finish(self) -> None:
        """Close the file; raise InputError if the disk reports only now that it could not be written."""
        if self._stream is not None:
            with on_disk(self._target):
                self._stream.close()

    def discard(self) -> None:
        """Close the file. Its lines stay: the first one already replaced the file before it."""
        if self._stream is not None:
            with suppress(OSError):
                self._stream.close()


def facts(segmented: Segmented, before: LabelMap | None, starts_at: float, now: float) -> dict[str, object]:
    """Return the content of a line: times in seconds, shares of the picture 0 to 1, size in pixels.

    A model with a confidence adds its mean, "confidence", and the share of pixels below --min-confidence, "unsure".

    "seconds" is the source's own time, wherever its clock begins or jumps; "shown" is how long after the first frame,
    which is shown at `starts_at`, the frame is shown in a video. `before` are the labels of the frame before, None for
    the first. Of the milliseconds, "decode" and "shrink" are work; "to_labels" and "total" count from when the frame
    was decoded until its labels and this line are there, waiting included. `now` is by `time.perf_counter`, in seconds.
    """
    frame, labels = segmented.frame, segmented.labels
    shares = sorted(segmented.shares.items(), key=lambda item: -item[1])
    return {
        "frame": frame.name,
        "seconds": round(frame.source_seconds, 6),
        "shown": round(frame.seconds - starts_at, 6),
        "size": [frame.picture.width, frame.picture.height],
        "shares": {name: round(share, 5) for name, share in shares},
        **_sureness(segmented),
        "changed": None if before is None else round(float(np.mean(labels != before)), 5),
        "milliseconds": {
            "decode": _milliseconds(frame.decode_seconds),
            "shrink": _milliseconds(frame.shrink_seconds),
            "to_labels": _milliseconds(segmented.segmented_at - frame.decoded_at),
            "total": _milliseconds(now - frame.decoded_at),
        },
    }


def _sureness(segmented: Segmented) -> dict[str, float]:
    """Return the mean probability of the labels and the share without a class, where the model gives a confidence."""
    if segmented.confidence is None:
        return {}
    return {"confidence": round(float(segmented.confidence.mean()) / 255, 5), "unsure": round(segmented.unsure, 5)}


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _write_whole(stream: io.FileIO, line: bytes) -> None:
    """Write all of `line` at once, without a buffer, or cut off again the part that fitted on a full disk."""
    written = 0
    try:
        while written < len(line):
            written += stream.write(line[written:])
    except OSError:
        with suppress(OSError):  # a pipe cannot be truncated
            stream.truncate(stream.tell() - written)
        raise
