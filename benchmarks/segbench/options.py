"""What `seg-bench` is asked for."""

from dataclasses import dataclass
from pathlib import Path

from segdata.shipped import DEFAULT_ONNX
from segrun.options import Engine


@dataclass(frozen=True)
class BenchOptions:
    """The options of one benchmark. Without a video it makes a synthetic drive; without a dataset there is no mIoU.

    `frames` are timed by the engine in each of `rounds`; the artefacts take turns within a round.
    """

    artefacts: tuple[Path, ...] = (DEFAULT_ONNX,)
    data: Path | None = None
    video: Path | None = None
    engine: Engine = "auto"
    frames: int = 100
    rounds: int = 5
    json: Path | None = None
