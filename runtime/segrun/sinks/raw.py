"""Writes the raw labels for another program to read."""

import os
import sys
from contextlib import suppress
from typing import BinaryIO

import numpy as np

from segdata.errors import InputError
from segdata.video.picture import Picture
from segrun.frame import Segmented
from segrun.sinks.base import Output, Sink


class RawSink(Sink):
    """Writes each frame's labels to an open stream: h * w bytes, row by row, no header, at the network's size.

    `closed` says that the reader went away (`| head -c 4096`): the run should end as if the source had. Later frames
    are ignored. The stream is closed by its opener.
    """

    def __init__(self, stream: BinaryIO, name: str = "standard output") -> None:
        """Write to `stream`, called `name` in messages; raise InputError if it is a terminal."""
        super().__init__()
        if stream.isatty():
            raise InputError(
                f"{name} is a terminal, which raw labels would garble; send them on: seg-run ... | program"
            )
        self._stream, self._name = stream, name
        self._frames = 0
        self.closed = False

    @classmethod
    def opened(cls, output: Output) -> "RawSink":
        """Return the sink of standard output."""
        return cls(sys.stdout.buffer)

    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Write one frame's labels; raise InputError if they cannot be written."""
        if self.closed:
            return
        try:
            self._stream.write(np.ascontiguousarray(segmented.labels).data)
            self._stream.flush()
        except BrokenPipeError:
            self.closed = True
            self.remarks.append(f"{self._name}: the reader went away after {self._frames} frames")
            self._write_no_more()
        except OSError as error:
            self._write_no_more()
            raise InputError(f"cannot write to {self._name}: {error.strerror or error}; send it elsewhere") from error
        else:
            self._frames += 1

    def finish(self) -> None:
        """Do nothing: each frame was sent when it came."""

    def discard(self) -> None:
        """Do nothing: sent data cannot be taken back."""

    def _write_no_more(self) -> None:
        """Point the stream at the null device: Python would try to write the rest when it exits, and complain."""
        with suppress(OSError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._stream.fileno())
            os.close(nothing)
