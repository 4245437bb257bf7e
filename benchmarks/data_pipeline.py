"""How fast data is prepared and fed: python benchmarks/data_pipeline.py SOURCE [ROUNDS].

Prints, for the labelled images below SOURCE: seconds and images a second of `seg-data prepare` at 128 and at 64, 128
and 256 in one pass, of a second run with nothing to do, peak memory, and images a second of one epoch without a
network (read, batch, augment). Medians of ROUNDS, the lowest and highest beside them. Needs the train extra.
"""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from segdata.dataset import Dataset
from segdata.options import PrepareOptions, Size
from segdata.prepare.prepare import prepare
from segtrain.frames.augment import Augment

BATCH = 16


def main(source: Path, rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        targets = (Path(folder) / str(number) for number in range(10_000))
        one: tuple[Size, ...] = ((128, 128),)
        three: tuple[Size, ...] = ((64, 64), (128, 128), (256, 256))
        target = next(targets)
        frames = len(
            prepare(options := PrepareOptions(source=source, target=target, sizes=one), ignore, ignore)
            .datasets[0]
            .split("train")
        )
        frames += len(Dataset(target).split("val"))
        report("prepare again, nothing to do", frames, rounds, lambda: prepare(options, ignore, ignore))
        for name, sizes in (("prepare at 128", one), ("prepare at 64, 128, 256", three)):
            report(name, frames, rounds, partial(prepare_into, targets, source, sizes))
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
        split = Dataset(target).split("train")
        augment = Augment(128, 128, "strong")

        def epoch() -> None:
            order = np.random.default_rng(0).permutation(len(split))
            for start in range(0, len(order) - BATCH + 1, BATCH):
                indices = np.sort(order[start : start + BATCH])
                images = torch.from_numpy(split.images[indices]).permute(0, 3, 1, 2).float() / 255
                augment(images, torch.from_numpy(split.labels[indices]).long())

        report("an epoch without a network", len(split), rounds, epoch)


def prepare_into(targets: Iterator[Path], source: Path, sizes: tuple[Size, ...]) -> None:
    """Prepare into the next new folder."""
    prepare(PrepareOptions(source=source, target=next(targets), sizes=sizes), ignore, ignore)


def report(name: str, frames: int, rounds: int, work: Callable[[], object]) -> None:
    """Print the median time of `work` and how many of `frames` it does a second."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    print(f"{name:30} {median:7.2f} s ({min(times):.2f} to {max(times):.2f}), {frames / median:8.0f} images/s")


def ignore(*_: object) -> None:
    """Take no notice of progress."""


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
