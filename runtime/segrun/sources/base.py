"""The interface of every source."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from segdata.video.reader import AudioPacket, Decoded, SoundStream
from segrun.options import RunOptions


class Source(Protocol):
    """Where frames come from. Opened in one thread and then read in another.

    `name` is what the user called it. `live` sources go on whether or not anyone reads: frames that nobody was ready
    for are dropped and counted, where a file waits. `rate` is frames a second, `time_base` the unit of the frames'
    `pts` in seconds, `starts_at` the time of the first frame in seconds, `expected_frames` how many will come, None if
    nobody knows. `recorded` is when and where it was, as `segdata.video.recorded` says. `audio` is the stream that
    audio packets belong to. `corrupt_packets` counts what could not be decoded so far. `bursts` is how often a live
    source was called: each time, it may send many frames at once that it had kept, and those are not too old.
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
        """Yield every frame in order of showing, and packets of sound between them."""

    def seek(self, seconds: Fraction) -> bool:
        """Have the next `read` begin near `seconds`; return False if that cannot be, and it goes on where it was."""

    def close(self) -> None:
        """Let go of the source. A `read` that is waiting for it in another thread ends as soon as it can."""


@dataclass(frozen=True)
class SourceKind:
    """A kind of input: which words on the command line mean it, how it is opened, what its results are named for.

    `live` says that how soon a frame is shown matters more than how many are in a second.
    """

    takes: Callable[[str], bool]
    open: Callable[[str, RunOptions], Source]
    name: Callable[[str], str]
    live: bool = False
