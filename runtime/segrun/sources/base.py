"""The interface of every source."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from segdata.video.reader import AudioPacket, Decoded, SoundStream
from segrun.options import RunOptions


class Source(Protocol):
    """Where frames come from. Opened in one thread and then read in another.

    `name` is what the user called it. `live` sources go on whether or not anyone reads: frames that come too early
    are dropped and counted, where a file waits. `rate` is frames a second, `time_base` the unit of the frames'
    `pts` in seconds, `starts_at` the time of the first frame in seconds, `expected_frames` how many will come, None if
    unknown. `recorded` is when and where it was recorded, as `segdata.video.container` says. `audio` is the stream that
    audio packets belong to. `corrupt_packets` counts what could not be decoded so far. `bursts` is how often a live
    source was opened: each time, it may send many buffered frames at once, and those are not too old.
    """

    name: str
    live: bool
    rate: Fraction
    time_base: Fraction
    starts_at: Fraction
    expected_frames: int | None
    recorded: Mapping[str, str]
    audio: SoundStream | None
    corrupt_packets: int
    bursts: int

    def read(self) -> Iterator[Decoded | AudioPacket]:
        """Yield every frame in display order, and packets of sound between them."""

    def seek(self, seconds: Fraction) -> bool:
        """Have the next `read` begin near `seconds`; return False if it cannot, and `read` continues where it was."""

    def close(self) -> None:
        """Release the source. A `read` that is waiting for it in another thread ends as soon as it can."""


@dataclass(frozen=True)
class SourceKind:
    """A kind of input: which words on the command line mean it, how it is opened, what its results are named after.

    `live` says that a frame's delay matters more than frames a second, `repeatable` that it can be read again from its
    beginning.
    """

    takes: Callable[[str], bool]
    open: Callable[[str, RunOptions], Source]
    name: Callable[[str], str]
    live: bool = False
    repeatable: bool = False
