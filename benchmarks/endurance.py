"""Whether seg-run grows: memory over many frames, and threads and open files over many runs.

python benchmarks/endurance.py VIDEO ONNX [FRAMES] [CYCLES]
"""

import gc
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from segdata.video.reader import Decoded, SoundStream, VideoReader
from segrun.drawing.drawing import Drawing
from segrun.options import RunOptions
from segrun.pipeline.pipeline import Pipeline
from segrun.run import run
from segrun.runners.open import open_runner
from segrun.sinks.open import open_sinks

PAGE_MB = 4096 / 1e6
STEPS = 10


class Loop:
    """Plays a video over and over, up to a number of frames."""

    live, bursts, starts_at, corrupt_packets = False, 0, Fraction(0), 0
    audio: SoundStream | None = None
    recorded: Mapping[str, str] = MappingProxyType({})

    def __init__(self, video: Path, count: int) -> None:
        self.name, self._video, self._count = str(video), video, count
        self.expected_frames: int | None = count
        self.memory: list[float] = []
        with VideoReader(video) as reader:
            self.rate, self.time_base = reader.rate, 1 / reader.rate

    def read(self) -> Iterator[Decoded]:
        """Yield the frames, and note the memory that the process has ten times on the way."""
        index = 0
        while index < self._count:
            with VideoReader(self._video) as reader:
                for item in reader.frames():
                    yield Decoded(item.frame, index, self.time_base, item.display)
                    index += 1
                    if index % (self._count // STEPS) == 0:
                        self.memory.append(resident_mb())
                    if index == self._count:
                        return

    def seek(self, seconds: Fraction) -> bool:
        """Return False."""
        return False

    def close(self) -> None:
        """Do nothing."""


def resident_mb() -> float:
    """Return the memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MB


def open_files() -> int:
    """Return how many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def main() -> None:
    """Measure, and print."""
    video, model = Path(sys.argv[1]), Path(sys.argv[2])
    frames = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
    cycles = int(sys.argv[4]) if len(sys.argv) > 4 else 50
    with tempfile.TemporaryDirectory() as folder:
        with open_runner(model, throughput=True) as runner:
            loop = Loop(video, frames)
            outputs = [f"{folder}/out.mp4", f"{folder}/out.jsonl"]
            sinks = open_sinks(RunOptions(inputs=(str(video),)), outputs, loop, runner.spec)
            report = Pipeline(loop, runner, sinks, Drawing(runner.spec)).run()
        print(f"{report.frames_shown} frames; resident MB at each tenth:", *(f"{mb:.0f}" for mb in loop.memory))
        counts = []
        for cycle in range(cycles + 1):
            with open_runner(model, throughput=True) as runner:
                run(RunOptions(inputs=(str(video),), outputs=(f"{folder}/cycle.mp4",), duration=0.2), runner)
            del runner
            gc.collect()
            if cycle in {0, cycles}:
                counts.append((threading.active_count(), open_files(), resident_mb()))
    for when, (threads, files, memory) in zip(("after the first run", f"after {cycles} more"), counts, strict=True):
        print(f"{when}: {threads} Python threads, {files} open files, {memory:.0f} MB")


if __name__ == "__main__":
    main()
