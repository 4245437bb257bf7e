"""Shared by sinks that write one track of pictures without sound."""

from contextlib import suppress
from pathlib import Path

from segdata.errors import InputError
from segdata.files import move_onto, remove, temporary_beside
from segdata.video.track_file import TrackFile
from segrun.sinks.base import Sink


class TrackSink(Sink):
    """A sink whose file appears when it is finished, with everything that came until then.

    A subclass writes to `_writer`, which it opens on `_temporary` when the first frame comes.
    """

    def __init__(self, target: Path) -> None:
        """Prepare to write `target`; nothing is written yet."""
        super().__init__()
        self._target, self._temporary = target, temporary_beside(target)
        self._writer: TrackFile | None = None

    def finish(self) -> None:
        """Complete the file and move it into place; raise InputError if that cannot be done."""
        if self._writer is None:
            return
        try:
            self._writer.close()
        finally:
            if self._writer.usable:
                move_onto(self._target, self._temporary)
                self.path = self._target
            else:
                remove(self._temporary)

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(InputError, OSError):
            if self._writer is not None:
                self._writer.close()
        with suppress(OSError):
            remove(self._temporary)
