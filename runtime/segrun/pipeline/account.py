"""The report of a run: its frame account, its times, and remarks for the user."""

from dataclasses import dataclass
from pathlib import Path

from segrun.pipeline.stage_clock import Span


@dataclass(frozen=True)
class RunReport:
    """The account of one run: `frames_read` is always `frames_shown` + `frames_dropped` + `frames_lost`.

    Shown are frames that every sink took; dropped those that a live source gave while no stage was free; lost those on
    their way when an error ended the run, 0 if none did. `corrupt_packets` is what could not be decoded. `seconds` is
    wall time from the start to the closed files. `latencies` are the seconds from each frame's decoding to the last
    sink, the latest thousands of them. `stage_seconds` is how long each stage worked; stages work at the same time.
    `timeline` has the last spans of that.
    """

    outputs: tuple[Path, ...]
    remarks: tuple[str, ...]
    frames_read: int
    frames_shown: int
    frames_dropped: int
    corrupt_packets: int
    interrupted: bool
    seconds: float
    latencies: tuple[float, ...]
    stage_seconds: dict[str, float]
    timeline: tuple[Span, ...]

    @property
    def frames_lost(self) -> int:
        """Frames that were on their way when an error ended the run."""
        return self.frames_read - self.frames_shown - self.frames_dropped

    @property
    def fps(self) -> float:
        """Frames shown a second of wall time, decoding and encoding included."""
        return self.frames_shown / self.seconds
