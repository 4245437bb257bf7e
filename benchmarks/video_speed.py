"""seg-run against the loop one writes first, on one video, in the same run and in turns.

    python benchmarks/video_speed.py VIDEO INT8_ONNX FP32_ONNX CHECKPOINT [ROUNDS]

Prints frames a second of the whole way from file to file, medians and spread, what each stage costs in CPU time when it
runs alone, and the bound that follows: cores / sum of the stages.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from plain_loops import plain_loop, with_onnxruntime, with_torch
from segdata.video.reader import VideoReader
from segdata.video.writer import VideoWriter
from segrun.drawing.overlay import Overlay
from segrun.frame import Frame, FrameMaker
from segrun.options import RunOptions
from segrun.run import run
from segrun.runners.base import Runner
from segrun.runners.open import open_runner

STAGE_FRAMES = 150


def seg_run(video: Path, target: str, runner: Runner) -> int:
    """Return how many frames seg-run segmented."""
    return run(RunOptions(inputs=(str(video),), outputs=(target,)), runner).frames_shown


def frames_a_second(work: Callable[[], int]) -> tuple[float, float]:
    """Return frames a second of wall time, and CPU milliseconds a frame."""
    wall, processor = time.perf_counter(), time.process_time()
    frames = work()
    return frames / (time.perf_counter() - wall), (time.process_time() - processor) / frames * 1e3


def stage_costs(video: Path, runner: Runner, folder: Path) -> dict[str, float]:
    """Return CPU milliseconds a frame of each stage, each alone on the machine."""
    costs: dict[str, float] = {}

    def measured(stage: str, work: Callable[[], None], frames: int) -> None:
        start = time.process_time()
        work()
        costs[stage] = (time.process_time() - start) / frames * 1e3

    # Decoding is measured apart from keeping the frames: fresh memory costs as much as the decoding of an easy video.
    with VideoReader(video) as reader:
        total = 0
        start = time.process_time()
        for _ in reader.frames():
            total += 1
        costs["decode"] = (time.process_time() - start) / total * 1e3
    with VideoReader(video) as reader:
        items = list(islice(reader.frames(), STAGE_FRAMES))
        make = FrameMaker(runner.spec)
        frames: list[Frame] = []
        measured("shrink", lambda: frames.extend(make(item, 0) for item in items), len(items))
        smalls = [frame.small[None] for frame in frames]
        labels: list[npt.NDArray[np.uint8]] = []
        measured("network", lambda: labels.extend(item[0] for item in runner.stream(iter(smalls))), len(items))
        overlay = Overlay(runner.spec.colours, 0.5)
        drawn = [overlay.draw(frame.picture, label) for frame, label in zip(frames, labels, strict=True)]

        def draw() -> None:
            for frame, label in zip(frames, labels, strict=True):
                overlay.draw(frame.picture, label)

        def encode() -> None:
            with VideoWriter(folder / "encoded.mp4", reader.rate, reader.time_base) as writer:
                for frame, picture in zip(frames, drawn, strict=True):
                    writer.write(picture, frame.pts)

        measured("draw", draw, len(items))
        measured("encode", encode, len(items))
    return costs


def main() -> None:
    """Measure, and print."""
    video, int8, fp32, checkpoint = (Path(name) for name in sys.argv[1:5])
    rounds = int(sys.argv[5]) if len(sys.argv) > 5 else 5
    with tempfile.TemporaryDirectory() as name, open_runner(int8, throughput=True) as runner:
        folder, spec = Path(name), runner.spec
        by_torch, colours = with_torch(checkpoint)
        by_onnxruntime = with_onnxruntime(fp32)
        loop = partial(plain_loop, video, folder / "plain.mp4", spec.height, spec.width)
        ways = {
            "seg-run, video out": lambda: seg_run(video, str(folder / "out.mp4"), runner),
            "seg-run, no sink": lambda: seg_run(video, "none", runner),
            "plain loop, ONNX Runtime fp32": lambda: loop(by_onnxruntime, colours),
            "plain loop, PyTorch fp32": lambda: loop(by_torch, colours),
        }
        measured: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, work in ways.items():
                measured[way].append(frames_a_second(work))
        costs = stage_costs(video, runner, folder)
    print(f"{video.name}, {int8.name}, {os.cpu_count()} cores, {rounds} rounds in turns")
    medians = {way: statistics.median(rate for rate, _ in rates) for way, rates in measured.items()}
    for way, rates in measured.items():
        low, high = min(rate for rate, _ in rates), max(rate for rate, _ in rates)
        processor = statistics.median(cost for _, cost in rates)
        print(f"{way:30} {medians[way]:6.1f} FPS ({low:.1f} to {high:.1f}), {processor:5.1f} CPU ms a frame")
    for way in list(ways)[2:]:
        print(f"seg-run is {medians['seg-run, video out'] / medians[way]:.2f} times the {way}")
    bound = 1e3 * (os.cpu_count() or 1) / sum(costs.values())
    print("CPU ms a frame of each stage alone:", ", ".join(f"{stage} {cost:.2f}" for stage, cost in costs.items()))
    print(f"bound: {bound:.1f} FPS; reached {medians['seg-run, video out'] / bound:.2f} of it")


if __name__ == "__main__":
    main()
