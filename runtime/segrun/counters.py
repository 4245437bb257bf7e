"""The progress of a run, at any moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Counters:
    """The progress of a run: frames, packets that could not be decoded, connections that were lost and restored.

    `stage_seconds` is how long each stage has worked, `queue_lengths` how many frames wait before the network and
    before the outputs.
    """

    frames_read: int = 0
    frames_shown: int = 0
    frames_dropped: int = 0
    corrupt_packets: int = 0
    reconnects: int = 0
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    queue_lengths: Mapping[str, int] = field(default_factory=dict)
