"""The interface of every sink."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from segdata.spec import ModelSpec
from segdata.video.picture import Picture
from segdata.video.reader import AudioPacket, Decoded
from segrun.counters import Counters
from segrun.frame import Segmented
from segrun.options import RunOptions
from segrun.sources.base import Source

Items = Iterable[Decoded | AudioPacket]
"""The items of a source."""


@dataclass(frozen=True)
class Output:
    """An output to be opened: where it goes, what the run was asked for, its source and the spec of its model."""

    path: Path
    options: RunOptions
    source: Source
    spec: ModelSpec


class Sink(ABC):
    """Takes segmented frames, one after the other, all from one thread that is not the one that opened it.

    `shows` says that it wants the drawn picture, which is made once for all sinks. `path` is what was written, to be
    shown to the user, None if nothing was. `closed` becomes True when its window was closed or its reader went away:
    then the run ends, after the frames on their way. `address` is for a browser. `remarks` are lines for the user at
    the end.
    """

    shows = False
    path: Path | None = None
    closed = False
    address: str | None = None

    def __init__(self) -> None:
        self.remarks: list[str] = []

    @classmethod
    def opened(cls, output: Output) -> "Sink":
        """Return the sink of an output; raise InputError if it cannot be opened."""
        raise NotImplementedError

    @abstractmethod
    def write(self, segmented: Segmented, picture: Picture | None) -> None:
        """Take one frame; `picture` is the drawn one, None if no sink shows any.

        Raises EdgeSegError if it cannot be taken; the run ends then.
        """

    def follow(self, counters: Callable[[], Counters]) -> None:  # noqa: B027 - most sinks do not ask
        """Take a function that returns the run's counters, from any thread; called once, before the first frame."""

    def played(self, items: Items, again: Callable[[], Items], stays: bool) -> Items:
        """Return the items of a file, `items` and then those of `again()`, as its viewers want to see them.

        Called for the sinks of a file without other outputs. `stays` says that its end waits for the viewers.
        """
        return items

    def write_audio(self, packet: AudioPacket) -> None:  # noqa: B027 - most sinks are silent
        """Take one packet of the source's sound."""

    @abstractmethod
    def finish(self) -> None:
        """Complete what was written, however the run ended, and release everything.

        Called once. Leaves nothing if no frame came. Raises EdgeSegError if it cannot be completed.
        """

    @abstractmethod
    def discard(self) -> None:
        """Release everything at once and leave no incomplete file: Ctrl-C came twice. Raises nothing."""
