"""What `seg-bench` is asked for."""

from dataclasses import dataclass
from pathlib import Path

from segrun.options import RunnerName


@dataclass(frozen=True)
class BenchOptions:
    """The options of one benchmark.

    `artefacts` are .onnx and .engine files; a checkpoint stands for its exports in every precision, none at all for the
    shipped models, and with `all_precisions` an .onnx for its siblings too. Without a video one of a synthetic drive is
    made; without a dataset there is no mIoU. `frames` are timed by the engine in each of `rounds`; the artefacts take
    turns within a round. The recommendation is the fastest artefact that loses at most `max_drop` points of mIoU, or
    the most accurate with `target_fps` frames a second end to end, or the fastest with `min_miou` points. `quality` is
    a folder: the artefacts are compared on the video, frame by frame, and strips of the worst frames go there. `json`,
    `markdown` and `html` are where reports go; `estimate` is the device to estimate for, instead of measuring.
    """

    artefacts: tuple[Path, ...] = ()
    all_precisions: bool = False
    data: Path | None = None
    video: Path | None = None
    runner: RunnerName = "auto"
    frames: int = 100
    rounds: int = 5
    max_drop: float | None = None
    target_fps: float | None = None
    min_miou: float | None = None
    quality: Path | None = None
    estimate: str | None = None
    json: Path | None = None
    markdown: Path | None = None
    html: Path | None = None
