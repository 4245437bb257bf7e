"""A file with one track of pictures and no sound: what writing GIFs and label videos share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from segdata.errors import InputError
from segdata.video.container import reason


class TrackFile:
    """Takes encoded frames until it is closed; `frames_written` counts them. Errors name `shown_as`.

    A subclass opens `_container` and `_stream`, and writes to them inside `_one_line_errors`.
    """

    _container: OutputContainer
    _stream: VideoStream

    def __init__(self, shown_as: Path) -> None:
        self._shown_as = shown_as
        self._failed = False
        self.frames_written = 0

    @property
    def usable(self) -> bool:
        """Whether the file shows anything; to be asked after `close`."""
        return self.frames_written > 0

    def close(self) -> None:
        """Finish the file; raise InputError if FFmpeg cannot. What was written before an error stays."""
        with self._one_line_errors():
            if self.frames_written and not self._failed:
                self._container.mux(self._stream.encode())
            self._container.close()

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, ValueError, OSError) as error:
            self._failed = True
            raise InputError(f"cannot write {self._shown_as} ({reason(error)}); choose another place") from error
