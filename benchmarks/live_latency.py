"""How late seg-run shows the frames of a camera: 30 frames a second, as they come.

    python benchmarks/live_latency.py VIDEO ONNX [SECONDS]

Plays VIDEO over and over at 30 frames a second as a live source does, into an H.264 file, and prints how long each
frame took from its arrival (decoded) to the file, and how many were dropped.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import numpy as np

from segdata.video.reader import Decoded, SoundStream, VideoReader
from segrun.drawing.drawing import Drawing
from segrun.pipeline.pipeline import Pipeline
from segrun.runners.open import open_runner
from segrun.sinks.video import VideoSink

RATE = 30


class Camera:
    """Gives the frames of a video at 30 a second, whether or not anyone is ready for them."""

    live, bursts, rate, time_base = True, 0, Fraction(RATE), Fraction(1, RATE)
    starts_at, corrupt_packets = Fraction(0), 0
    expected_frames: int | None = None
    audio: SoundStream | None = None
    recorded: Mapping[str, str] = MappingProxyType({})

    def __init__(self, video: Path, seconds: float) -> None:
        self.name, self._video, self._count = str(video), video, round(seconds * RATE)

    def read(self) -> Iterator[Decoded]:
        """Yield a frame each 1/30 second; decoding is part of the wait, as in a camera that sends H.264."""
        start, index = time.perf_counter(), 0
        while index < self._count:
            with VideoReader(self._video) as reader:
                for item in reader.frames():
                    time.sleep(max(0.0, start + index / RATE - time.perf_counter()))
                    yield Decoded(item.frame, index, self.time_base, item.display)
                    index += 1
                    if index == self._count:
                        return

    def seek(self, seconds: Fraction) -> bool:
        """Return False: what is live cannot be sought in."""
        return False

    def close(self) -> None:
        """Do nothing."""


def main() -> None:
    """Measure, and print."""
    video, model = Path(sys.argv[1]), Path(sys.argv[2])
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 20
    camera = Camera(video, seconds)
    with tempfile.TemporaryDirectory() as folder, open_runner(model) as runner:
        sink = VideoSink(Path(folder) / "live.mkv", camera)
        report = Pipeline(camera, runner, [sink], Drawing(runner.spec)).run()
    p50, p99, most = np.percentile(np.array(report.latencies) * 1e3, (50, 99, 100))
    print(
        f"{video.name} at {RATE} frames a second for {seconds:.0f} s, {model.name}: {report.frames_read} read = "
        f"{report.frames_shown} shown + {report.frames_dropped} dropped; latency p50 {p50:.1f} ms, p99 {p99:.1f} ms, "
        f"most {most:.1f} ms"
    )


if __name__ == "__main__":
    main()
