"""A toy engine on a simulated GPU, its frames and its labels."""

from typing import Any

import numpy as np

from helpers.simulated_device import Simulation
from helpers.simulated_tensorrt import libraries_of, toy_program
from segrun.runners.base import Frames, Labels
from segrun.runners.tensorrt.runner import Libraries

HEIGHT, WIDTH = 3, 4


def toy_libraries(simulation: Simulation, batch: int = 1, **options: Any) -> Libraries:  # noqa: ANN401 - those of libraries_of
    return libraries_of(simulation, lambda plan: toy_program(batch, HEIGHT, WIDTH), **options)


def made(count: int, batch: int = 1, seed: int = 0) -> list[Frames]:
    shape = (count, batch, HEIGHT, WIDTH, 3)
    return list(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def wanted(frames: Frames) -> Labels:
    return toy_program(len(frames), HEIGHT, WIDTH).compute(frames)
